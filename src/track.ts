/**
 * fullpose/track: the faces of a video, from frame to frame. Apart from `fullpose`, so that an app for photos does not
 * carry it.
 *
 * ```ts
 * import { FaceTracker } from 'fullpose/track';
 * const tracker = await FaceTracker.create({ smoothing: true });
 * const faces = await tracker.track(video, timestampMs);
 * ```
 *
 * @module fullpose/track
 */
export type { FollowOptions, LostRule, TrackerOptions, TrackingAligner } from './track/options.js';
export { DEFAULT_SMOOTHING, type OneEuroOptions, type SmoothingOptions } from './track/smoothing.js';
export { FaceTracker, type TrackedFace } from './track/tracker.js';
