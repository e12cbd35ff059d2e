"""A browser's tab at the page of a lab, and what it complains of."""

from __future__ import annotations

from typing import Any

# Text whose contrast with what lies behind it is below 4.5 (WCAG 2.2, 1.4.3; 3 for large text).
PALE = """() => {
    const parse = text => (text.match(/[\\d.]+/g) || []).map(
        (n, i) => text.startsWith("color(") && i < 3 ? n * 255 : Number(n));
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92
            : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(one).backgroundColor);
            if (r !== undefined && a > 0.9) return [r, g, b];
        }
        return document.body.classList.contains("body--dark") ? [18, 18, 18] : [255, 255, 255];
    };
    const pale = [];
    for (const element of document.querySelectorAll("body *:not(svg *)")) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility({ opacityProperty: true })) continue;
        if (element.closest(".disabled, [disabled], .material-icons, .xterm, style")) continue;
        const style = getComputedStyle(element);
        const back = behind(element);
        const [r, g, b, a = 1] = parse(style.color);
        let opacity = a;
        for (let one = element; one; one = one.parentElement)
            opacity *= Number(getComputedStyle(one).opacity);
        const ink = [r, g, b].map((c, i) => c * opacity + back[i] * (1 - opacity));
        const [high, low] = [light(ink), light(back)].sort((p, q) => q - p);
        const ratio = (high + 0.05) / (low + 0.05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5))
            pale.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(1)}`);
    }
    return pale;
}"""


class Tab:
    """One browser's page of a lab; ``page`` is playwright's, ``complaints`` the console's."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(
            # A packet that is followed need not be waited for.
            **{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | settings
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)
        self.page.goto(address)
        self.page.wait_for_selector(".pg-stage svg")

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("http://localhost:", "data:", "blob:")):
            self.complaints.append(f"fetched from elsewhere: {request.url}")

    def state_of(self, part: str, name: str = "data-state") -> str | None:
        """Return an attribute of a part of the picture."""
        value: str | None = self.page.get_attribute(f'[data-part="{part}"]', name)
        return value

    def wait_for(self, part: str, name: str, values: str) -> None:
        """Wait until an attribute of a part is one of these, written as "up|down"."""
        self.page.wait_for_function(
            "([part, name, values]) => values.split('|').includes(document.querySelector("
            "`[data-part='${part}']`)?.getAttribute(name))",
            arg=[part, name, values],
        )

    def close(self) -> None:
        """Close it, and with it all that it has opened."""
        self.context.close()
