"use strict";
(() => {
  const form = document.getElementById("choices");
  if (!form) return;
  const words = [...form.elements].map((element) => element.name);

  function show() {
    const chosen = Object.fromEntries(new FormData(form));
    const differs = (element) =>
      words.some((word) => chosen[word] && element.dataset[word] && element.dataset[word] !== chosen[word]);
    for (const element of document.querySelectorAll("tr, figure, svg.chart"))
      element.toggleAttribute("hidden", differs(element));  // svg has no property "hidden"
    const leads = [...document.querySelectorAll(".lead")];
    const fitting = leads.find((lead) => !differs(lead)) ?? leads[0];
    for (const lead of leads) lead.hidden = lead !== fitting;
    for (const series of document.querySelectorAll("[data-series]"))
      series.classList.toggle("dim", Boolean(chosen.method) && series.dataset.series !== chosen.method);
    for (const point of document.querySelectorAll(".point"))
      point.classList.toggle("chosen", Boolean(chosen.rho) && point.dataset.at === chosen.rho);
  }

  for (const point of document.querySelectorAll(".point"))
    point.addEventListener("click", () => {
      form.elements.rho.value = point.dataset.at;
      form.elements.method.value = point.parentNode.dataset.series;
      show();
    });
  form.addEventListener("change", show);
  form.hidden = false;
  show();
})();
