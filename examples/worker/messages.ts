/** What the page and its worker say to each other. */

/** From the page. The frame changes hands: the worker closes it. */
export type Request =
  | { readonly type: 'start'; readonly canvas: OffscreenCanvas }
  | { readonly type: 'frame'; readonly frame: VideoFrame };

/** From the worker: it waits for the next frame. */
export type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string }
  | {
      readonly type: 'face';
      /** Microseconds: the frame that this belongs to. */
      readonly timestamp: number;
      /** [68,3] pixels of the frame. */
      readonly landmarks: Float32Array<ArrayBuffer>;
      readonly yaw: number;
      readonly roll: number;
    };
