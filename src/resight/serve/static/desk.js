// A photo whose file is gone or broken has a picture that says so.
const NO_PHOTO = "/static/no-photo.svg";

function standIn(image) {
  if (image.getAttribute("src") === NO_PHOTO) return;
  image.alt = `${image.alt || "A photo"}: cannot be read`;
  image.src = NO_PHOTO;
}

document.addEventListener("error", (event) => { if (event.target instanceof HTMLImageElement) standIn(event.target); }, true);
for (const image of document.images) if (image.getAttribute("src") && image.complete && !image.naturalWidth) standIn(image);
