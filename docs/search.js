// The site's search looks for each word that is typed and for all that begin with it: "a" finds
// "assistant" and "areas", which are rarer than "firewall" and so weigh more. Questions leave
// such words out on their way to the theme's worker (its message of type 2 is a query).
"use strict";
(() => {
  const SMALL = /\b(?:a|an|and|at|by|can|do|for|how|i|in|is|of|on|or|the|to|with)\s+/gi;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message && message.type === 2 && typeof message.data === "string")
      message = { ...message, data: message.data.replace(SMALL, "").trim() || message.data };
    return post.call(this, message, ...rest);
  };
})();
