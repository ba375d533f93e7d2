// Making and changing elements. Whatever comes from outside (names of players, texts of services) goes through here as
// text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export const at = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

// A name that others have chosen: isolated, so that its direction of writing does not turn its neighbours around.
export function foreign(text, attributes = {}) {
  return element("bdi", attributes, text);
}

export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

// Fills an element anew, only if what it is made of has changed: selections, tooltips and focus survive.
export function refill(node, facts, make) {
  const text = JSON.stringify(facts);
  if (node.shown === text) {
    return false;
  }
  node.shown = text;
  node.replaceChildren(...[make()].flat().filter((each) => each !== null && each !== undefined));
  return true;
}

// Makes `wanted` the children of an element, in this order, moving as few of them as possible.
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) {
    if (!keep.has(child)) {
      child.remove();
    }
  }
  const places = new Map([...parent.children].map((child, index) => [child, index]));
  const still = longestRise(wanted.map((child) => places.get(child) ?? -1));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let next = null;
  for (let index = wanted.length - 1; index >= 0; index -= 1) {
    if (!still.has(index)) {
      parent.insertBefore(wanted[index], next);
    }
    next = wanted[index];
  }
  if (focused !== null && focused !== document.activeElement && focused.isConnected) {
    focused.focus({preventScroll: true});
  }
}

// The indexes of a longest rising part of numbers; -1 belongs to none.
function longestRise(numbers) {
  const tails = [];
  const before = new Array(numbers.length).fill(-1);
  numbers.forEach((number, index) => {
    if (number < 0) {
      return;
    }
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[tails[middle]] < number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    before[index] = low > 0 ? tails[low - 1] : -1;
    tails[low] = index;
  });
  const found = new Set();
  for (let index = tails.at(-1) ?? -1; index >= 0; index = before[index]) {
    found.add(index);
  }
  return found;
}
