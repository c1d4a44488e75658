// What a page gains from JavaScript: chart tips under the pointer and the arrow keys. Pages are complete without it.
(() => {
  const tip = document.getElementById("tip");
  let shown = null;

  const hide = () => {
    shown?.classList.remove("on");
    shown = null;
    tip.hidden = true;
  };

  const place = (area) => {
    const box = area.querySelector("rect").getBoundingClientRect();
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, left))}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
  };

  const show = (area) => {
    if (area === shown) return;
    hide();
    shown = area;
    area.classList.add("on");
    tip.replaceChildren(
      ...area.dataset.tip.split("|").map((line, index) => {
        const element = document.createElement(index ? "div" : "b");
        element.textContent = line;
        return element;
      }),
    );
    tip.hidden = false;
    place(area);
  };

  const steps = {
    ArrowLeft: (at) => at - 1,
    ArrowRight: (at) => at + 1,
    Home: () => 0,
    End: (_, last) => last,
  };

  document.addEventListener("pointerover", (event) => {
    const area = event.target.closest?.(".hit");
    if (area) show(area);
    else if (shown && !shown.closest("figure:focus")) hide();
  });

  document.addEventListener("keydown", (event) => {
    const figure = document.activeElement?.closest?.("figure[tabindex]");
    if (!figure) return;
    if (event.key === "Escape") return hide();
    const step = steps[event.key];
    const areas = [...figure.querySelectorAll(".hit")];
    if (!step || !areas.length) return;
    event.preventDefault();
    const last = areas.length - 1;
    const at = areas.indexOf(shown);
    show(areas[Math.max(0, Math.min(last, at < 0 && event.key === "ArrowLeft" ? last : step(at, last)))]);
  });

  document.addEventListener("focusout", hide);
  addEventListener("scroll", hide, { passive: true });
})();
