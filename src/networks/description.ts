/** A network as a file: its inputs, layers and outputs (docs/formats.md, "Networks of others"). */
import { WeightsError } from '../engine/errors.js';
import { type NetworkGraph, parseNetwork } from '../engine/network.js';
import { parseSafetensors, type SafeTensors } from '../engine/safetensors.js';
import { show } from '../engine/show.js';
import type { FeatureShape } from '../engine/tensor.js';
import {
  type DownloadOptions,
  fetchListed,
  listedFile,
  parseManifestFiles,
  type WeightUrls,
} from '../files/download.js';
import { asRecord, expectValue, inFile, parseJson } from '../files/json.js';
import { ALL_LAYER_KINDS, type GraphNode, type NetworkLayer } from './kinds.js';
import { type PictureInput, type PictureSettings, parsePictureInput } from './picture.js';

/** A network: what it reads, what it computes, and what of that is wanted. */
export interface NetworkDescription {
  /** Shapes of what layers may name without any layer making it. */
  readonly inputs: Readonly<Record<string, FeatureShape>>;
  /** In order of execution; the last one's result is the network's. */
  readonly layers: readonly NetworkLayer[];
  /** Layers whose results are wanted beside the last one's. */
  readonly outputs?: readonly string[];
  /** How pictures become inputs of three channels (default: 0 to 1, red first). */
  readonly picture?: PictureInput;
}

/** A description that was checked. */
export interface ParsedNetwork {
  /** Its layers with shapes. */
  readonly graph: NetworkGraph<GraphNode>;
  /** With all defaults. */
  readonly picture: PictureSettings;
}

export const NETWORK_FORMAT = 'fullpose-layers/1';
export const MANIFEST_FORMAT = 'fullpose-layers-manifest/1';

/**
 * Checks a description, which may come from anywhere.
 * @throws WeightsError for a damaged one; ShapeError, naming the layer, where shapes do not fit together.
 */
export function parseDescription(description: NetworkDescription): ParsedNetwork {
  const { inputs, layers, outputs = [], picture = {} } = asRecord(description, 'The description');
  if (!Array.isArray(outputs) || !outputs.every((name): name is string => typeof name === 'string')) {
    throw new WeightsError(`outputs are ${show(outputs)}; wanted a list of layers' names.`);
  }
  const shapes = Object.entries(asRecord(inputs, 'inputs')).map(([name, value]): [string, FeatureShape] => {
    const { height, width, channels } = asRecord(value, `inputs.${name}`);
    // What they are is checked with the layers.
    return [name, { height, width, channels } as FeatureShape];
  });
  if (shapes.length === 0) throw new WeightsError('The network has no inputs; wanted at least one.');
  return {
    graph: parseNetwork(layers, Object.fromEntries(shapes), outputs, ALL_LAYER_KINDS),
    picture: parsePictureInput(picture),
  };
}

/** What `fullpose-convert` writes, fetched. */
export interface NetworkFiles {
  readonly description: NetworkDescription;
  readonly weights: SafeTensors;
}

/** Fetches the network that a manifest lists. @throws as `fetchListed` */
export function fetchNetwork(from: string | URL | WeightUrls, options: DownloadOptions): Promise<NetworkFiles> {
  return fetchListed(
    from,
    {
      parseManifest(text) {
        const json = parseJson(text);
        expectValue(json, 'format', MANIFEST_FORMAT);
        const files = parseManifestFiles(json.files);
        return {
          network: listedFile(files, json.network, 'network'),
          weights: listedFile(files, json.weights, 'weights'),
          files,
        };
      },
      choose: ({ network, weights }) => [network, weights],
      parse: ({ network, weights }, file) => ({
        description: inFile(network, () => {
          const json = parseJson(new TextDecoder().decode(file(network)));
          expectValue(json, 'format', NETWORK_FORMAT);
          // What it holds is checked by who makes a network of it.
          return json as unknown as NetworkDescription;
        }),
        weights: inFile(weights, () => parseSafetensors(file(weights))),
      }),
    },
    options,
  );
}
