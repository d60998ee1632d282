"use strict";
// Puts the source's picture over the output's with a divider between them. Nothing is fetched or kept.

const pairs = [...document.querySelectorAll(".pair")].map((pair) => ({
  pair,
  frame: pair.querySelector(".frame"),
  view: pair.querySelector(".view"),
  divider: pair.querySelector(".divider"),
  slide: pair.querySelector(".slide"),
  output: pair.querySelector(".output img"),
  images: pair.querySelectorAll(".picture img"),
}));
let zoom = 0; // pixels of the screen for one of the picture; 0 fits it in

// Where the divider is, in the window onto the picture: what lies to the left of it is the source's.
function place({ view, divider, slide, output }) {
  const at = (view.clientWidth * slide.value) / 100;
  divider.style.left = `${at}px`;
  divider.style.bottom = `${view.offsetHeight - view.clientHeight}px`;
  output.style.clipPath = `inset(0 0 0 ${view.scrollLeft + at}px)`;
  slide.setAttribute("aria-valuetext", `${Math.round(slide.value)} % source, ${Math.round(100 - slide.value)} % output`);
}

// Keeps what is in the middle of each window there.
function setZoom(value) {
  zoom = value;
  document.body.classList.toggle("zoomed", zoom > 0);
  for (const { view, images } of pairs) {
    const x = (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth;
    const y = (view.scrollTop + view.clientHeight / 2) / view.scrollHeight;
    for (const image of images) {
      image.style.width = zoom ? `${(image.naturalWidth * zoom) / devicePixelRatio}px` : "";
    }
    view.scrollLeft = x * view.scrollWidth - view.clientWidth / 2;
    view.scrollTop = y * view.scrollHeight - view.clientHeight / 2;
  }
  pairs.forEach(place);
}

function begin(parts) {
  const { frame, view, divider, slide } = parts;
  const follow = (event) => {
    const box = view.getBoundingClientRect();
    slide.value = Math.min(100, Math.max(0, ((event.clientX - box.left) / view.clientWidth) * 100));
    place(parts);
  };
  slide.addEventListener("input", () => place(parts));
  view.addEventListener("scroll", () => place(parts));
  frame.addEventListener("pointerdown", (event) => {
    if ((zoom && event.target !== divider) || event.button) return;
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
}

document.documentElement.classList.add("with-script");
for (const parts of pairs) begin(parts);
for (const radio of document.querySelectorAll(".bar input")) {
  radio.addEventListener("change", () => setZoom(Number(radio.value)));
}
addEventListener("resize", () => setZoom(zoom));
addEventListener("load", () => setZoom(Number(document.querySelector(".bar input:checked").value)));
