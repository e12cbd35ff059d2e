"""The live page: a running lab in a browser, ``playground web`` and ``lab.web()``.

It stands upon NiceGUI, which the extra ``web`` brings.
Nothing of this folder is imported before somebody asks for the page, and no page
fetches anything from elsewhere.

=================  ==========================================================================
`rights`           tokens, what each lets its holder do, and the sessions that remember them
`gate`             whom the server answers: host, origin, session, of requests and sockets alike
`framing`          whose page may show ours in a frame
`files`            what a page offers to be fetched
`link_keys`        what links are called
`view`             what a page hands to its panels: the lab, and the one way to act upon it
`panel_table`      which panels a node and a link have, in their order
`panels/`          the panels, a module each
`widgets/`         what several panels have: a table that is read again and again, a terminal
`sessions/`        what runs for panels: terminals, captures
`content/`         what panels show, made of what a lab has said; pure
`lab_page`         the page of a lab
`drawing/`         labs that are only drawn, and their page
`page`             all pages: addresses, who may see which
`notice_page`      a page of one sentence: what is not there, or not for who asks
`served_labs`      which labs there are, and the way to each
`server`           the one server of this process: begun, told of labs, ended
=================  ==========================================================================

A panel is what opens when one clicks a node or a link.  It is a module in ``panels/`` with

``TITLE``
    the words on its tab: ``TITLE = "Services"``.
``fits(view, name) -> bool``
    whether this node or link has one: a switch has no terminal.  Quick, and asks no host.
``build(view, name) -> None``
    fills the current slot of NiceGUI, as in ``ui.label(view.node(name).name)``.  Quick as well:
    what takes time is done in a handler or in ``view.every``.

and a line in `panel_table`.  ``name`` is the name of a node, or the key of a link
(`link_keys.key_of`, "h1:eth0"), for which ``view.link(name)`` is the `Link`.

Rules for panels:

* Call nothing that may wait (a lab's methods all may) on the event loop:
  ``await view.ask(f, *args)`` runs it in a thread.  What changes anything goes by
  ``await view.act(f, *args)`` and by nothing else: that is the one place where a read-only
  page is refused.  Widgets may be hidden where ``view.may_change`` is false, which is a
  courtesy and no protection.
* Errors are raised: `PlaygroundError` in a handler becomes a note on the page with its sentence.
* What is opened (captures, terminals, jobs) is given back in ``view.on_close(undo)``, which
  is called when the panel or the page goes, however that happens.  ``undo`` may wait.
* What hosts say is text: ``ui.label``, ``ui.table``, ``ui.code``, ``ui.xterm``, and never
  ``ui.html`` or ``ui.markdown``.  Where SVG has to be made, each string of it goes through
  ``html.escape``.
* What a page keeps is bounded: rows, lines, bytes.
* Downloads and streams: ``view.serve(filename, source)`` returns the address of one, which the
  gate guards as it does all.  What asks again and again: ``view.every(seconds, handler)``.

"""
