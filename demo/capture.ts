/** Moving pictures: a webcam or a video file, one frame at a time. */

/** A frame to work on. Whoever gets it closes the image. */
export interface CapturedFrame {
  readonly image: ImageBitmap;
  /** Milliseconds, rising. */
  readonly time: number;
  /** Frames that passed since the last one without being worked on. */
  readonly skipped: number;
}

/** A camera that the browser knows. */
export interface Camera {
  readonly id: string;
  readonly name: string;
}

/**
 * The cameras; without names, and one alone, until the visitor has allowed one. None where the browser does not tell.
 */
export async function listCameras(): Promise<readonly Camera[]> {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  return devices
    .filter(({ kind }) => kind === 'videoinput')
    .map(({ deviceId, label }, i) => ({ id: deviceId, name: label || `Camera ${i + 1}` }));
}

export class Capture {
  readonly video: HTMLVideoElement;
  /** The camera in use; undefined for a file. */
  readonly camera: string | undefined;
  readonly #release: () => void;
  #stopped = false;

  /**
   * @param camera its id; without one the browser chooses, in front of the visitor where it can
   * @throws DOMException where the visitor or the browser says no.
   */
  static async webcam(camera?: string): Promise<Capture> {
    const which = camera === undefined ? { facingMode: 'user' } : { deviceId: { exact: camera } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: { ...which, width: { ideal: 640 } } });
    const video = makeVideo();
    video.srcObject = stream;
    const release = () => {
      for (const track of stream.getTracks()) track.stop();
    };
    return Capture.#start(video, release, stream.getVideoTracks()[0]?.getSettings().deviceId ?? '');
  }

  /** @throws Error where the browser cannot play it. */
  static async file(file: File): Promise<Capture> {
    const video = makeVideo();
    const url = URL.createObjectURL(file);
    video.src = url;
    video.loop = true;
    try {
      return await Capture.#start(video, () => URL.revokeObjectURL(url), undefined);
    } catch (cause) {
      throw new Error(`${file.name} is not a video that the browser can play`, { cause });
    }
  }

  static async #start(video: HTMLVideoElement, release: () => void, camera: string | undefined): Promise<Capture> {
    try {
      await video.play();
    } catch (error) {
      release();
      throw error;
    }
    return new Capture(video, release, camera);
  }

  private constructor(video: HTMLVideoElement, release: () => void, camera: string | undefined) {
    this.video = video;
    this.camera = camera;
    this.#release = release;
  }

  /**
   * Gives `work` the newest frame whenever it is done with the last one: frames that come meanwhile pass unseen, so
   * that a slow GPU makes the page less fluent and never late. Ends with `stop`, or with the error of `work`.
   */
  async run(work: (frame: CapturedFrame) => Promise<void>): Promise<void> {
    let last: number | undefined;
    while (!this.#stopped) {
      const { time, count } = await this.#nextFrame();
      if (this.#stopped) return;
      const image = await createImageBitmap(this.video);
      const skipped = last === undefined ? 0 : Math.max(0, count - last - 1);
      last = count;
      await work({ image, time, skipped });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.video.pause();
    this.#release();
  }

  #nextFrame(): Promise<{ readonly time: number; readonly count: number }> {
    return new Promise((resolve) => {
      this.video.requestVideoFrameCallback((time, { presentedFrames }) => resolve({ time, count: presentedFrames }));
    });
  }
}

function makeVideo(): HTMLVideoElement {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  return video;
}
