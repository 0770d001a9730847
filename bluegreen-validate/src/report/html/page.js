"use strict";
(() => {
  const cases = [...document.querySelectorAll(".case")];
  const search = document.getElementById("search");
  const kind = document.getElementById("kind");
  const count = document.getElementById("count");
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of cases) {
      const kinds = one.dataset.kinds.split(" ");
      const text = one.textContent.toLowerCase();
      const fits = (kind.value === "all" || kinds.includes(kind.value))
        && words.every((word) => text.includes(word));
      one.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${cases.length}`;
  };
  search.addEventListener("input", show);
  kind.addEventListener("change", show);
  show();
})();
