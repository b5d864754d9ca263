/** What stands before the text of a line that a container runtime wrote. */
export interface CriHeader {
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The line goes on in the next one of its stream. */
  readonly partial: boolean;
  /** Bytes before the text. */
  readonly length: number;
}

/** The longest header, with what later versions may add to the tag. */
const MOST_BYTES = 96;
const header =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF])(?::[\w:-]*)?(?: |$)/;

/** Reads the header of the line `bytes[start, end)`; undefined when it has none. */
export function criHeader(bytes: Buffer, start: number, end: number): CriHeader | undefined {
  const found = header.exec(bytes.toString('latin1', start, Math.min(end, start + MOST_BYTES)));
  if (!found) return undefined;
  const [{ length }, time = '', stream, tag] = found;
  return { time, stream: stream === 'stdout' ? 'stdout' : 'stderr', partial: tag === 'P', length };
}

const podLog = /\/([^/_]+)_([^/_]+)_([^/_]+)\/([^/]+)\/\d+\.log$/;
const containerLog = /\/([^/_]+)_([^/_]+)_([^/_]+)-[0-9a-f]{64}\.log$/;

/** Whose log a file of a node is, by its path. */
export function criAttributes(path: string): Record<string, string> {
  const pod = podLog.exec(path);
  if (pod) {
    const [, namespace = '', name = '', uid = '', container = ''] = pod;
    return { ...podAttributes(namespace, name, container), 'k8s.pod.uid': uid };
  }
  const [, name = '', namespace = '', container = ''] = containerLog.exec(path) ?? [];
  return name === '' ? {} : podAttributes(namespace, name, container);
}

const podAttributes = (namespace: string, name: string, container: string) => ({
  'k8s.namespace.name': namespace,
  'k8s.pod.name': name,
  'k8s.container.name': container,
});
