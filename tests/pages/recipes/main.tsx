/** The page that runs the recipes of docs/recipes/frameworks.md; tests/pages/package.test.ts cuts them out and puts them beside it. */
import { StrictMode, useCallback, useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { mount } from 'svelte';
import { createApp, h, shallowRef } from 'vue';
import { useFaces } from './photo';
import Faces from './svelte';
import { useTracker } from './video';
import { useFaces as facesInVue } from './vue';
import './element';

/** A place of the page for each recipe. */
function place(name: string): HTMLElement {
  const element = document.createElement('main');
  element.id = name;
  document.body.append(element);
  return element;
}

const photo = await (await fetch('./photo.png')).blob();

function ReactFaces() {
  const { faces, error } = useFaces(photo);
  return <>{error !== undefined ? String(error) : faces && `${faces.length} faces`}</>;
}

function ReactVideo() {
  const video = useRef<HTMLVideoElement>(null);
  const [frames, setFrames] = useState<readonly number[]>([]);
  const error = useTracker(
    video,
    useCallback((faces) => setFrames((before) => [...before, ...faces.map(({ id }) => id)]), []),
  );
  useEffect(() => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 320, height: 320 });
    const context = canvas.getContext('2d');
    let image: ImageBitmap | undefined;
    createImageBitmap(photo).then((bitmap) => {
      image = bitmap;
    });
    const timer = setInterval(() => image && context?.drawImage(image, -70 + (performance.now() % 3), 30), 50);
    if (video.current) video.current.srcObject = canvas.captureStream();
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <video ref={video} autoPlay muted playsInline />
      {error !== undefined ? String(error) : frames.length > 2 && `face ${frames.slice(0, 3).join(', ')}`}
    </>
  );
}

createRoot(place('react')).render(
  <StrictMode>
    <ReactFaces />
  </StrictMode>,
);
createRoot(place('video')).render(
  <StrictMode>
    <ReactVideo />
  </StrictMode>,
);
createApp({
  setup() {
    const faces = facesInVue(shallowRef(photo));
    return () => h('span', faces.value.length > 0 ? `${faces.value.length} faces` : '');
  },
}).mount(place('vue'));
mount(Faces, { target: place('svelte'), props: { photo } });
const image = document.createElement('img');
image.src = './photo.png';
const element = document.createElement('face-count');
element.append(image);
place('element').append(element);
