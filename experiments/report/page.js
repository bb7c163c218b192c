(() => {
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Legends: a key hides and shows its curves in every chart of its section, and
// brings them forward while the pointer is on it.
for (const key of all(".key")) {
  const section = key.closest("details, section");
  const curves = () => all("svg[data-x] .s", section).filter(s => s.dataset.n === key.dataset.n);
  const toggle = () => {
    const shown = key.getAttribute("aria-pressed") === "true";
    key.setAttribute("aria-pressed", !shown);
    curves().forEach(s => s.classList.toggle("hidden", shown));
  };
  const light = on => {
    section.classList.toggle("focus", on);
    curves().forEach(s => s.classList.toggle("lit", on));
  };
  key.setAttribute("role", "button");
  key.setAttribute("aria-pressed", "true");
  key.tabIndex = 0;
  key.addEventListener("click", toggle);
  key.addEventListener("keydown", e => {
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); toggle(); }
  });
  key.addEventListener("pointerenter", () => light(true));
  key.addEventListener("pointerleave", () => light(false));
}

// Values under the pointer: of a mark its own text, of a line the place turned
// back into values by the axes the chart names.
const box = document.createElement("div");
box.className = "hover";
box.hidden = true;
document.body.append(box);

const places = new WeakMap();
function placesOf(svg) {
  if (places.has(svg)) return places.get(svg);
  const list = [];
  for (const path of all(".s path.k, .s path.l, rect.cell", svg)) {
    const group = path.closest(".s");
    const title = path.querySelector("title");
    if (title) {
      const b = path.getBBox();
      list.push({x: b.x + b.width / 2, y: b.y + b.height / 2, text: title.textContent, group});
      title.remove();
    } else if (path.classList.contains("l") && !group.classList.contains("muted")) {
      for (const m of path.getAttribute("d").matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g))
        list.push({x: +m[1], y: +m[2], group});
    }
  }
  places.set(svg, list);
  return list;
}
function valueAt(axis, pixel) {
  const [kind, low, high, from, till] = axis.split(" ");
  const part = (pixel - from) / (till - from);
  const v = kind === "log" ? low * (high / low) ** part : +low + (high - low) * part;
  return Number(v.toPrecision(3)).toString();
}
document.addEventListener("pointermove", e => {
  const svg = e.target.closest && e.target.closest("svg.chart[role=img]");
  box.hidden = true;
  if (!svg) return;
  const r = svg.getBoundingClientRect(), view = svg.viewBox.baseVal, zoom = view.width / r.width;
  const x = (e.clientX - r.left) * zoom, y = (e.clientY - r.top) * zoom;
  let best = null, least = 18 * 18;
  for (const p of placesOf(svg)) {
    if (p.group && p.group.classList.contains("hidden")) continue;
    const d = (p.x - x) ** 2 + (p.y - y) ** 2 - (p.text ? 9 : 0);
    if (d < least) { least = d; best = p; }
  }
  if (!best) return;
  box.textContent = best.text || `${best.group.dataset.n}: ${valueAt(svg.dataset.y, best.y)} at ${valueAt(svg.dataset.x, best.x)}`;
  box.hidden = false;
  const left = r.left + best.x / zoom + 12, room = document.documentElement.clientWidth - box.offsetWidth - 8;
  box.style.left = `${Math.max(4, Math.min(left, room)) + scrollX}px`;
  box.style.top = `${r.top + best.y / zoom - box.offsetHeight - 8 + scrollY}px`;
});

// The table sorts by the column whose head is pressed; a second press turns the
// order. Cells without a value stay last.
for (const table of all("table.sortable")) {
  const heads = all("thead th", table), body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(h => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.classList.contains("num");
      const value = row => {
        const cell = row.cells[column];
        if (!numeric) return cell.textContent.trim();
        return cell.dataset.v === undefined ? NaN : +cell.dataset.v;
      };
      const rows = [...body.rows].sort((a, b) => {
        const x = value(a), y = value(b);
        if (!numeric) return up ? x.localeCompare(y) : y.localeCompare(x);
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return up ? x - y : y - x;
      });
      body.append(...rows);
    });
  });
}

// Among many methods some are found by words of their row in the table (name, axis,
// paper, parts) and by axis: the others leave the table and the details, and fade
// in the charts.
const rows = all("#methods table.sortable tbody tr");
if (rows.length > 8) {
  const nameOf = row => row.cells[0].textContent.trim(), axisOf = row => row.cells[1].textContent.trim();
  const bar = document.createElement("search"), input = document.createElement("input"), count = document.createElement("output");
  bar.className = "find";
  input.type = "search";
  input.placeholder = "Find methods: name, axis, paper, part";
  input.setAttribute("aria-label", "Find methods");
  const axes = [...new Set(rows.map(axisOf))].filter(axis => axis).sort();
  const chosen = new Set();
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(word => word);
    const found = new Set();
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every(word => text.includes(word)) && (chosen.size === 0 || chosen.has(axisOf(row))));
      if (!row.hidden) found.add(nameOf(row));
    }
    for (const d of all("#dynamics details")) d.hidden = !found.has(d.dataset.n);
    for (const s of all("main .s[data-n]")) {
      if (!s.closest("details")) s.classList.toggle("other", !found.has(s.dataset.n));
    }
    count.textContent = `${found.size} of ${rows.length} methods`;
  };
  bar.append(input);
  for (const axis of axes.length > 1 ? axes : []) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = axis;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      chosen.has(axis) ? chosen.delete(axis) : chosen.add(axis);
      button.setAttribute("aria-pressed", chosen.has(axis));
      show();
    });
    bar.append(button);
  }
  bar.append(count);
  input.addEventListener("input", show);
  document.querySelector("main").before(bar);
  show();
}
})();
