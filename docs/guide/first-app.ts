import { findFaces } from 'fullpose/find';

// A picture: image, video, canvas, ImageBitmap, VideoFrame, ImageData, Blob, GPUTexture.
const photo = document.querySelector('img')!;
await photo.decode();
const faces = await findFaces(photo); // every face of 20 pixels and up, the largest first

for (const face of faces) {
  face.landmarks; // Float32Array [68, 3]: x right, y down, z toward the viewer, all in picture pixels
  face.pose.yaw; // degrees
  face.blendshapes.mouthSmileLeft; // 0 calm, 1 a broad smile
  document.body.append(`nose tip: ${face.landmarks.slice(90, 93).join(', ')}; `);
}
