// Looks at a page in a frame as a reader would and says what is wrong with it: one line for each
// complaint, and facts that the test compares with what it asked for.
// What is folded is opened first if `open`.
function probe(frame, open) {
  const view = frame.contentWindow, page = frame.contentDocument, said = [];
  const complain = (what, element) => said.push("complaint: " + what + ": " + name(element));
  const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + " `" +
    (e.textContent || "").trim().slice(0, 40).replace(/\s+/g, " ") + "`";
  page.querySelectorAll("details").forEach(details => { details.open = open; });

  const width = page.documentElement.clientWidth;
  const scroller = e => {
    for (let up = e.parentElement; up && up !== page.body; up = up.parentElement) {
      if (["auto", "scroll"].includes(view.getComputedStyle(up).overflowX)) return up;
    }
    return null;
  };
  const hidden = e => {
    for (let up = e; up; up = up.parentElement) {
      if (view.getComputedStyle(up).clipPath !== "none") return true;
    }
    return false;
  };
  if (page.documentElement.scrollWidth > width) complain("the page is wider than the screen", page.body);
  for (const e of page.body.querySelectorAll("*")) {
    if (e.ownerSVGElement) continue;
    const box = e.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || scroller(e) || hidden(e)) continue;
    if (box.right > width + 1 || box.left < -1) complain("sticks out", e);
  }

  // Of a figure's forms one is for this screen.
  const shown = svg => svg.getClientRects().length > 0;
  for (const figure of page.querySelectorAll("figure")) {
    const forms = [...figure.querySelectorAll("svg")];
    if (forms.length > 0 && forms.filter(shown).length !== 1) complain("a figure is not shown once", figure);
  }
  for (const summary of page.querySelectorAll("summary")) {
    const inside = summary.parentElement.parentElement.closest("details:not([open])");
    if (!inside && summary.getBoundingClientRect().height < 20) complain("a fold cannot be seen", summary);
  }
  for (const table of page.querySelectorAll("table")) {
    const box = table.getBoundingClientRect(), within = scroller(table);
    if (within && within.clientHeight > 0 && within.clientHeight < box.height - 2) complain("a table is cut", table);
  }
  const drawings = [...page.querySelectorAll("figure svg")].filter(shown);
  for (const svg of drawings) {
    const box = svg.getBoundingClientRect(), within = scroller(svg) || svg;
    const outer = within.getBoundingClientRect();
    if (box.width < 50 || box.height < 20) complain("a figure cannot be seen", svg);
    if (outer.left < -1 || outer.right > width + 1 || outer.width < 50) complain("a figure is cut off", svg);
    if (!svg.querySelector("title")) complain("a figure has no name", svg);
  }
  for (const loaded of view.performance.getEntriesByType("resource")) {
    said.push("complaint: loads " + loaded.name);
  }
  contrasts(page, view, complain, hidden);
  said.push("fact: width " + width, "fact: figures " + drawings.length);
  said.push("fact: all " + (open ? "open" : "folded"));
  said.push("fact: " + (view.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  const ground = luminance(colour(view.getComputedStyle(page.body).backgroundColor));
  said.push("fact: the ground is " + (ground < 0.05 ? "dark" : ground > 0.8 ? "light" : "neither"));
  return said;
}

// Red, green, blue and opacity, 0 to 1.
function colour(text) {
  const numbers = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const scale = text.startsWith("rgb") ? 255 : 1;
  return [...numbers.slice(0, 3).map(n => n / scale), numbers.length > 3 ? numbers[3] : 1];
}

function luminance([r, g, b]) {
  const linear = [r, g, b].map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function ratio(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

// WCAG 2: 4.5 to 1 for text.
function contrasts(page, view, complain, hidden) {
  const ground = element => {
    for (let up = element; up; up = up.parentElement) {
      const back = colour(view.getComputedStyle(up).backgroundColor);
      if (back[3] === 1) return back;
    }
    return [1, 1, 1, 1];
  };
  for (const e of page.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || e.ownerSVGElement || e.tagName === "STYLE" || hidden(e)) continue;
    const found = ratio(colour(view.getComputedStyle(e).color), ground(e));
    if (found < 4.5) complain("contrast " + found.toFixed(1), e);
  }
  for (const svg of page.querySelectorAll("figure svg")) {
    if (svg.getClientRects().length === 0) continue;
    const painted = [];
    for (const e of svg.querySelectorAll("rect, polygon, text")) {
      const style = view.getComputedStyle(e), box = e.getBoundingClientRect();
      if (e.tagName !== "text") {
        const fill = colour(style.fill === "none" ? "rgba(0, 0, 0, 0)" : style.fill);
        if (fill[3] === 1 && style.opacity === "1") painted.push([box, fill]);
        continue;
      }
      // A text with an edge stands upon the edge, any other upon the last shape below its middle.
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      const below = painted.findLast(([b]) => b.left <= x && x <= b.right && b.top <= y && y <= b.bottom);
      const edge = style.stroke !== "none" && style.paintOrder.startsWith("stroke");
      const back = edge ? colour(style.stroke) : below ? below[1] : ground(svg.parentElement);
      const found = ratio(colour(style.fill), back);
      if (found < 4.5) complain("contrast in a figure " + found.toFixed(1), e);
    }
  }
}
