/** Paths that the page server answers beside the repository's files; known to the server's plugins and to the pages. */

/** The files of `@mediapipe/face_detection`. */
export const mediapipeBase = '/mediapipe/face_detection/';

/** The pictures of the running program, by index. */
export const picturesBase = '/pictures/';
