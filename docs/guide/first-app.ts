import { FaceAligner } from 'fullpose';
import { writeObj } from 'fullpose/export';

const aligner = await FaceAligner.create({
  onProgress: ({ loaded, total }) => console.log(`${Math.round((100 * loaded) / total)} %`),
});

// A picture (image, video, canvas, ImageBitmap, VideoFrame, ImageData, GPUTexture) and boxes in its pixels.
const photo = document.querySelector('img')!;
await photo.decode();
const [face] = await aligner.align(photo, [{ x0: 177, y0: 80, x1: 272, y1: 175, kind: 'detector' }]);
if (face === undefined) throw new Error('one box gives one face');

face.landmarks; // Float32Array [68, 3]: x right, y down, z toward the viewer, all in picture pixels
face.pose.yaw; // degrees
face.expression.jawOpen; // 0 closed, 1 open
const vertices = await aligner.vertices(face); // [V, 3]
const mesh = writeObj({ vertices, triangles: aligner.model.triangles, pictureHeight: photo.naturalHeight });

document.body.append(`nose tip: ${face.landmarks.slice(90, 93).join(', ')}, ${mesh.length} bytes of OBJ`);
aligner.destroy();
