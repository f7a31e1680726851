// The filter in force: one choice per column, kept in the address, so that a reload holds it.
import { ask, at, made } from "./web.js";

const FEW = 200;

export function filterInForce() {
  const pairs = new URLSearchParams(location.search).getAll("filter").map((one) => [one.slice(0, one.indexOf(":")), one.slice(one.indexOf(":") + 1)]);
  return Object.fromEntries(pairs.filter(([name, value]) => name && value));
}

export function keepInAddress(name, values) {
  const address = new URL(location.href);
  address.searchParams.delete(name);
  values.forEach((value) => address.searchParams.append(name, value));
  history.replaceState(null, "", address);
}

const withYears = (name, values) => (name === "date" ? [...new Set([...values.map((one) => one.slice(0, 4)), ...values])].sort() : values);

export async function showFilters(changed) {
  const chosen = filterInForce();
  for (const [name, values] of Object.entries(await ask("/v1/filters"))) {
    if ((values.length < 2 || values.length > FEW) && !(name in chosen)) continue;
    const label = made("label", undefined, at("filters"));
    made("span", name.replaceAll("_", " "), label);
    const select = made("select", undefined, label, { name });
    made("option", "any", select, { value: "" });
    withYears(name, values).forEach((value) => made("option", value, select, { value }));
    select.value = chosen[name] ?? "";
    label.classList.toggle("set", select.value !== "");
    select.addEventListener("change", () => {
      const now = filterInForce();
      if (select.value) now[name] = select.value;
      else delete now[name];
      label.classList.toggle("set", select.value !== "");
      keepInAddress("filter", Object.entries(now).map((pair) => pair.join(":")));
      select.blur();
      changed();
    });
  }
}
