"use strict";
// One photo from the camera.

globalThis.Live ??= {};
{
const opened = async () => {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    throw new Error(
      error.name === "NotAllowedError"
        ? "This page may not use the camera: allow it in the browser, or choose a photo as a file."
        : "No camera can be used here: choose a photo as a file instead.",
    );
  }
};

// A dialog with a button to take the photo and one to close: the photo as a PNG, or nothing.
Live.shoot = async (dialog, take, close) => {
  const stream = await opened();
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
  dialog.prepend(video); // phones play only what stands in the page
  try {
    const shot = new Promise((resolve) => {
      take.onclick = () => resolve(true);
      close.onclick = dialog.onclose = () => resolve(false); // Escape only closes
    });
    dialog.showModal();
    await Promise.race([video.play(), shot]);
    if (!(await shot)) return null;
    const still = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    still.getContext("2d").drawImage(video, 0, 0);
    return await new Promise((resolve) => still.toBlob(resolve, "image/png"));
  } finally {
    dialog.onclose = null;
    stream.getTracks().forEach((track) => track.stop());
    dialog.close();
    video.remove();
  }
};
}
