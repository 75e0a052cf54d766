"""Look at a page in a real browser: what it asks for, what runs in it, whom it leaves out."""

from axe_playwright_python.sync_playwright import Axe


def troubles(opened, path):
    """What happens that must not: requests, frames, dialogs, scripts, sideways scrolling.

    Before it is opened the page's policy is switched off, so that the HTML alone must be safe.
    """
    seen = []
    for scheme, width in (("light", 1280), ("dark", 390)):
        context = opened.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
        )
        page = context.new_page()
        seen += watch(page, path)
        if (wide := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            seen.append(f"{wide} px too wide at {width}")
        for violation in Axe().run(page).response["violations"]:
            places = [node["target"] for node in violation["nodes"][:3]]
            seen.append(f"{scheme}, {width}: {violation['id']} at {places}")
        context.close()
    return seen


def watch(page, path):
    """Open the page and touch all that can be touched; returns what it did."""
    seen, address = [], path.resolve().as_uri()

    def on_request(request):
        if request.url != address and not request.url.startswith("data:image/"):
            seen.append(f"request: {request.url}")

    page.on("request", on_request)
    page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda popup: seen.append("popup"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("console", lambda message: seen.append(f"console: {message.text}"))
    page.on("framenavigated", lambda frame: frame.parent_frame and seen.append("frame"))
    page.goto(address)
    page.evaluate(
        """() => document.querySelectorAll("main *").forEach(e => {
             for (const name of ["click", "mouseover", "focus", "toggle", "animationend", "load"])
               e.dispatchEvent(new Event(name, {bubbles: false}));
           })"""
    )
    page.wait_for_load_state("networkidle")
    if page.evaluate("window.hacked !== undefined || document.title.includes('hacked')"):
        seen.append("a script ran")
    if page.url != address:
        seen.append(f"moved to {page.url}")
    seen += page.evaluate(ACTIVE)
    return seen


ACTIVE = """() => [...document.querySelectorAll("*")].flatMap(e => {
  const tag = e.tagName.toLowerCase(), found = [];
  if (["script", "iframe", "frame", "object", "embed", "form", "input", "button", "base", "link",
       "audio", "video", "source", "portal", "foreignobject", "animate", "set"].includes(tag))
    found.push(`element ${tag}`);
  if (tag === "meta" && e.httpEquiv && e.httpEquiv !== "Content-Security-Policy")
    found.push(`meta ${e.httpEquiv}`);
  for (const a of e.attributes) {
    const value = a.value.trim().toLowerCase();
    if (a.name.startsWith("on")) found.push(`${tag} ${a.name}`);
    if (["href", "xlink:href", "src", "srcset", "action", "data", "poster", "background"].includes(
          a.name) && !value.startsWith("#") && !(tag === "img" && value.startsWith("data:image/")))
      found.push(`${tag} ${a.name}=${value.slice(0, 40)}`);
    if (a.name === "style" && value.includes("url(") && !e.closest("svg"))
      found.push(`${tag} style`);
  }
  return found;
})"""
