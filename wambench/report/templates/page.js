// Tables that sort and filter, and the choice of light or dark. What is shown is kept in the
// address after `#`, for example #sort=-steps&outcome=failure, so that it can be sent to others.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("live");

  // ---- light and dark ----
  const stored = () => { try { return localStorage.getItem("wambench-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const wanted = new URLSearchParams(location.hash.slice(1)).get("theme") ?? stored();
  if (wanted === "light" || wanted === "dark") root.dataset.theme = wanted;
  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("wambench-theme", root.dataset.theme); } catch { /* not allowed here */ }
    if (state().has("theme")) change("theme", root.dataset.theme);
  });

  // ---- the state in the address ----
  // `#tasks`, a link to a heading, is no state: it has no `=`.
  const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const change = (name, value) => {
    const now = state();
    if (value) now.set(name, value); else now.delete(name);
    const text = now.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    show();
  };

  // ---- sorting ----
  const tables = [...document.querySelectorAll("table[data-sort]")];
  for (const table of tables) {
    [...table.tBodies[0].rows].forEach((row, index) => { row.dataset.place = index; });
    for (const heading of table.querySelectorAll("th[data-key]")) {
      heading.querySelector("button").addEventListener("click", () => {
        const { key, kind } = heading.dataset;
        const now = state().get(table.dataset.sort) ?? "";
        const [first, second] = kind === "number" ? [`-${key}`, key] : [key, `-${key}`];
        change(table.dataset.sort, now === first ? second : now === second ? "" : first);
      });
    }
  }
  const sort = (table, wish) => {
    const down = wish.startsWith("-");
    const key = down ? wish.slice(1) : wish;
    let column = -1, kind = "number";
    for (const heading of table.tHead.rows[0].cells) {
      if (heading.dataset.key === key && key) {
        column = heading.cellIndex;
        kind = heading.dataset.kind;
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      } else heading.removeAttribute("aria-sort");
    }
    const valueOf = (row) => {
      if (column < 0) return Number(row.dataset.place);
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return kind === "number" ? (text === "" ? null : Number(text)) : text;
    };
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row), place: Number(row.dataset.place) }));
    rows.sort((a, b) => {
      // What has no value comes last, whichever way the table is sorted.
      if ((a.value === null) !== (b.value === null)) return a.value === null ? 1 : -1;
      const order = kind === "number" ? (a.value ?? 0) - (b.value ?? 0)
        : a.value.localeCompare(b.value, "en", { numeric: true });
      return (column >= 0 && down ? -order : order) || a.place - b.place;
    });
    table.tBodies[0].append(...rows.map(({ row }) => row));
  };

  // ---- filtering ----
  const fields = [...document.querySelectorAll("[data-filter]")];
  for (const field of fields) {
    field.addEventListener("input", () => change(field.dataset.filter, field.value));
  }
  for (const button of document.querySelectorAll("[data-clear]")) {
    button.addEventListener("click", () => {
      const now = state();
      for (const field of fields) now.delete(field.dataset.filter);
      history.replaceState(null, "", now.size ? `#${now}` : location.pathname + location.search);
      show();
    });
  }
  const filter = (now) => {
    for (const field of fields) {
      const value = now.get(field.dataset.filter) ?? "";
      // A value that no option has shows nothing rather than everything.
      if (field.value !== value) field.value = value;
    }
    const choices = fields.map(({ dataset }) => [dataset.filter, now.get(dataset.filter) ?? ""]).filter(([, value]) => value);
    for (const list of document.querySelectorAll("[data-filtered]")) {
      const items = list.tBodies ? [...list.tBodies[0].rows] : [...list.children];
      let shown = 0;
      for (const item of items) {
        const fits = choices.every(([name, value]) => name === "q"
          ? item.textContent.toLowerCase().includes(value.toLowerCase())
          : item.dataset[name] === undefined || item.dataset[name] === value);
        item.hidden = !fits;
        shown += fits;
      }
      for (const count of document.querySelectorAll(`[data-count="${CSS.escape(list.id)}"]`)) {
        count.textContent = shown === items.length ? `${shown} in all` : `${shown} of ${items.length}`;
      }
      const panel = list.closest("[data-panel]");
      if (panel) panel.hidden = shown === 0;
    }
  };

  // ---- videos ----
  for (const link of document.querySelectorAll("[data-film]")) {
    link.addEventListener("click", () => {
      const figure = document.getElementById(link.dataset.film);
      for (const other of document.querySelectorAll(".chosen")) other.classList.remove("chosen");
      figure.hidden = false;
      figure.classList.add("chosen");
      figure.scrollIntoView({ block: "center" });
      figure.querySelector("video").play();
    });
  }

  const show = () => {
    const now = state();
    for (const table of tables) sort(table, now.get(table.dataset.sort) ?? "");
    filter(now);
  };
  addEventListener("hashchange", show);
  show();
})();
