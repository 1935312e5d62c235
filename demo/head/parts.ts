/** What closes the holes of a head of three.js: eyes, the inside of the mouth, the back. */
import type { Pose } from 'fullpose';
import * as three from 'three';
import type { Picture, ShownFace } from '../scene.js';
import { type Openings, type Plug, plugOf, skullOf } from './shapes.js';

/** The points of the eyes, the subject's left and right, and of the inner lips among the 68. */
const eyePoints = [
  [42, 43, 44, 45, 46, 47],
  [36, 37, 38, 39, 40, 41],
] as const;
const lipPoints = [60, 61, 62, 63, 64, 65, 66, 67] as const;

/** Colours of what a picture does not show. */
const white = '#cfc5bd';
const inside = '#1c0b0a';

/** Side of the pictures on eyes and mouth, in texels. */
const partSide = 128;

/** Fewer visible points than these: an eye is taken from the other side. */
const leastVisible = 3;

export interface HeadParts {
  readonly eyes: readonly [three.Mesh, three.Mesh];
  readonly mouth: three.Mesh;
  readonly skull: three.Mesh;
}

/** @param shape [V,3] @param material of the back of the head */
export function makeParts(shape: ArrayLike<number>, openings: Openings, material: three.Material): HeadParts {
  const [left, right] = openings.eyes.map((loop) => sphereOf(plugOf(shape, loop, 1.1, 0.006)));
  const mouth = sphereOf(plugOf(shape, openings.mouth, 1.25, 0.02));
  if (left === undefined || right === undefined) throw new Error('a head has two eyes');
  const { positions, triangles, depth } = skullOf(shape, openings.outline);
  const geometry = new three.BufferGeometry();
  geometry.setAttribute('position', new three.BufferAttribute(positions, 3));
  geometry.setAttribute('depth', new three.BufferAttribute(depth, 1));
  geometry.setIndex(new three.BufferAttribute(triangles, 1));
  geometry.computeVertexNormals();
  return { eyes: [left, right], mouth, skull: new three.Mesh(geometry, material) };
}

/** Eyes and mouth of a puppet. */
export function paintPlain({ eyes, mouth }: HeadParts): void {
  const texture = textureOf(256, (context) => {
    context.fillStyle = '#f3efea';
    context.fillRect(0, 0, 256, 256);
    // The front of a sphere of three.js is a quarter of the way round.
    const [x, y] = [64, 128];
    const disc = (radius: number, colour: string) => {
      context.fillStyle = colour;
      context.beginPath();
      // As much longer as the sphere's texture is narrower.
      context.ellipse(x, y, radius / 2, radius, 0, 0, 2 * Math.PI);
      context.fill();
    };
    disc(44, '#31536f');
    disc(38, '#5c8fb5');
    disc(19, '#10151b');
    context.fillStyle = '#ffffff';
    context.beginPath();
    context.ellipse(x + 5, y - 13, 3, 6, 0, 0, 2 * Math.PI);
    context.fill();
  });
  for (const eye of eyes) eye.material = new three.MeshStandardMaterial({ map: texture, roughness: 0.25 });
  mouth.material = new three.MeshBasicMaterial({ color: inside });
}

/** Eyes and mouth as the picture shows them, seen along its lines of sight. */
export function paintFromPicture({ eyes, mouth }: HeadParts, picture: Picture, shown: ShownFace): void {
  const { face } = shown;
  const seen = eyePoints.map((points) => points.filter((point) => face.visibility[point] === 1).length);
  for (const [i, eye] of eyes.entries()) {
    const other = 1 - i;
    const isTaken = (seen[i] ?? 0) < leastVisible && (seen[other] ?? 0) >= leastVisible;
    project(eye, picture, shown, eyePoints[isTaken ? (other as 0 | 1) : (i as 0 | 1)], white, isTaken);
  }
  project(mouth, picture, shown, lipPoints, inside, false);
}

/**
 * Lays the part of the picture within `points` over a mesh in the head's frame. @param mirrored takes it from the other
 * side of the head
 */
function project(
  mesh: three.Mesh,
  { image }: Picture,
  { face }: ShownFace,
  points: readonly number[],
  ground: string,
  mirrored: boolean,
): void {
  const at = (point: number) => [face.landmarks[point * 3] ?? 0, face.landmarks[point * 3 + 1] ?? 0] as const;
  const [xs, ys] = [points.map((point) => at(point)[0]), points.map((point) => at(point)[1])];
  const side = 1.3 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 4);
  const [x0, y0] = [(Math.max(...xs) + Math.min(...xs) - side) / 2, (Math.max(...ys) + Math.min(...ys) - side) / 2];
  const scale = partSide / side;
  const map = textureOf(partSide, (context) => {
    context.setTransform(scale, 0, 0, scale, -x0 * scale, -y0 * scale);
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, -0.5, -0.5);
    // Only what is within the lids or lips; with a soft edge.
    context.globalCompositeOperation = 'destination-in';
    context.filter = `blur(${partSide / 40}px)`;
    context.beginPath();
    for (const point of points) context.lineTo(...at(point));
    context.fill();
    context.filter = 'none';
    context.globalCompositeOperation = 'destination-over';
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = ground;
    context.fillRect(0, 0, partSide, partSide);
  });
  mesh.material = new three.MeshBasicMaterial({ map });
  const position = mesh.geometry.getAttribute('position');
  const uv = mesh.geometry.getAttribute('uv');
  const m = face.pose.matrix as Pose['matrix'];
  const flip = mirrored ? -1 : 1;
  for (let i = 0; i < position.count; i++) {
    const [x, y, z] = [
      flip * (position.getX(i) + mesh.position.x),
      position.getY(i) + mesh.position.y,
      position.getZ(i) + mesh.position.z,
    ];
    const u = (m[0] * x + m[1] * y + m[2] * z + m[3] - x0) / side;
    const v = (m[4] * x + m[5] * y + m[6] * z + m[7] - y0) / side;
    uv.setXY(i, u, 1 - v);
  }
  uv.needsUpdate = true;
}

function sphereOf({ centre, radius }: Plug): three.Mesh {
  const mesh = new three.Mesh(new three.SphereGeometry(radius, 32, 24));
  mesh.position.set(...centre);
  return mesh;
}

function textureOf(side: number, paint: (context: OffscreenCanvasRenderingContext2D) => void): three.Texture {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gave no 2D canvas');
  paint(context);
  const texture = new three.CanvasTexture(canvas);
  texture.colorSpace = three.SRGBColorSpace;
  return texture;
}
