/** Draws docs/images/camera.svg: the camera that a pose is meant for. `npx tsx scripts/camera-figure.ts` */
import { writeFileSync } from 'node:fs';

const [width, height] = [6, 4];
const cell = 44;
const [left, top] = [70, 60];

const x = (pixel: number) => left + (pixel + 0.5) * cell;
const y = (pixel: number) => top + (pixel + 0.5) * cell;
const line = (x1: number, y1: number, x2: number, y2: number, more = '') =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`;
const text = (at: readonly [number, number], words: string, more = '') =>
  `<text x="${at[0]}" y="${at[1]}" ${more}>${words}</text>`;

const grid = [
  ...Array.from({ length: width + 1 }, (_, i) => line(x(i - 0.5), y(-0.5), x(i - 0.5), y(height - 0.5))),
  ...Array.from({ length: height + 1 }, (_, i) => line(x(-0.5), y(i - 0.5), x(width - 0.5), y(i - 0.5))),
];
const centres = Array.from({ length: width * height }, (_, i) => {
  return `<circle cx="${x(i % width)}" cy="${y(Math.floor(i / width))}" r="2"/>`;
});

/** Seen from the side: the camera far to the right, lines of sight parallel, larger z nearer. */
const [sideLeft, sideRight] = [left + width * cell + 110, left + width * cell + 400];
const rays = Array.from({ length: height }, (_, row) =>
  line(sideLeft, y(row), sideRight, y(row), 'stroke-dasharray="4 4"'),
);

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 830 330" font-family="sans-serif" font-size="13" fill="#24292f">
<title>The picture as an orthographic camera's frustum, from the front and from the side</title>
<rect width="830" height="330" fill="#ffffff"/>
<g stroke="#8c959f">${grid.join('')}</g>
<g fill="#0969da">${centres.join('')}</g>
<g stroke="#cf222e" stroke-width="2" marker-end="url(#arrow)">
${line(x(0), y(0), x(1) - 6, y(0))}
${line(x(0), y(0), x(0), y(-0.5) - 22)}
</g>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z" fill="#cf222e"/></marker></defs>
${text([x(0) + 8, y(-0.5) - 16], 'scene y (up) = -y of the pixel', 'fill="#cf222e"')}
${text([x(1) + 2, y(0) - 6], 'scene x = x of the pixel', 'fill="#cf222e"')}
${text([x(-0.5) - 62, y(0) + 4], 'top 0.5')}
${text([x(-0.5) - 60, y(height - 0.5) + 22], `left -0.5, bottom 0.5 - H`)}
${text([x(width - 0.5) - 60, y(height - 0.5) + 22], 'right W - 0.5')}
${text([left, 316], 'From the front: W = 6, H = 4; pixel centres are at integers')}
<g stroke="#8c959f">${rays.join('')}</g>
${line(sideLeft + 60, y(-0.5), sideLeft + 60, y(height - 0.5), 'stroke="#24292f" stroke-width="2"')}
${text([sideLeft + 34, y(-0.5) - 8], 'plane z = 0')}
<ellipse cx="${sideLeft + 76}" cy="${y(1.5)}" rx="46" ry="62" fill="#ddf4ff" fill-opacity="0.7" stroke="#0969da"/>
${text([sideLeft + 56, y(1.5) + 4], 'head', 'fill="#0969da"')}
<rect x="${sideRight - 4}" y="${y(-0.5)}" width="10" height="${height * cell}" fill="#24292f"/>
${text([sideRight - 56, y(-0.5) - 8], 'camera, at z')}
<g stroke="#cf222e" stroke-width="2" marker-end="url(#arrow)">${line(sideLeft + 130, y(height - 0.5) + 8, sideLeft + 200, y(height - 0.5) + 8)}</g>
${text([sideLeft + 206, y(height - 0.5) + 13], 'z, toward the viewer', 'fill="#cf222e"')}
${text([sideLeft, 316], 'From the side: lines of sight are parallel, depth is in pixels')}
</svg>
`;
writeFileSync(new URL('../docs/images/camera.svg', import.meta.url), svg);
