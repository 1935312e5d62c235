/** What the 68 points (iBUG order) are. Left and right are the subject's. */

/** A line along the face. */
export interface LandmarkContour {
  /** Landmarks in order along it. */
  readonly points: readonly number[];
  /** Whether the last point is joined to the first. */
  readonly closed: boolean;
}

const contour = (first: number, last: number, closed: boolean): LandmarkContour => ({
  points: Array.from({ length: last - first + 1 }, (_, i) => first + i),
  closed,
});

/** The lines of a face that the 68 landmarks lie on, by name. */
export const LANDMARK_CONTOURS = /* @__PURE__ */ (() => ({
  /** From the subject's right ear over the chin to the left. */
  jaw: contour(0, 16, false),
  rightBrow: contour(17, 21, false),
  leftBrow: contour(22, 26, false),
  /** From between the eyes to the tip, 30. */
  noseBridge: contour(27, 30, false),
  noseBase: contour(31, 35, false),
  rightEye: contour(36, 41, true),
  leftEye: contour(42, 47, true),
  outerLips: contour(48, 59, true),
  innerLips: contour(60, 67, true),
}))();

/** Pairs of landmarks that a drawing joins by lines. */
export const LANDMARK_CONNECTIONS: readonly (readonly [number, number])[] = /* @__PURE__ */ Object.values(
  LANDMARK_CONTOURS,
).flatMap(({ points, closed }) =>
  points.flatMap((point, i): [number, number][] => {
    const next = points[i + 1] ?? (closed ? points[0] : undefined);
    return next === undefined ? [] : [[point, next]];
  }),
);
