import { createHash } from 'node:crypto';

/** The part of an HTTP request that the simulated S3 looks at. */
export interface S3Request {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface S3Response {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

interface Version {
  readonly id: string;
  readonly storedAt: number;
  readonly etag: string;
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
  readonly deleted: boolean;
}

/** A versioned bucket with S3's conditional writes, one request at a time. */
export class SimS3 {
  readonly #versions = new Map<string, Version[]>();
  /** Without it a missing key is answered 403, as S3 does for who may not list. */
  mayList = true;
  mayListVersions = true;
  denied: (method: string, key: string) => boolean = () => false;
  onCommit: (key: string, body: Uint8Array) => void = () => {};
  /** Its wall clock. */
  now: () => number = () => 0;
  /** Entries of one page of a list. */
  pageSize = 1000;

  handle(request: S3Request): S3Response {
    const key = decodeURIComponent(request.path).split('/').slice(2).join('/');
    if ('versions' in request.query) return this.#listVersions(request.query);
    if ('list-type' in request.query) return this.#list(request.query);
    if (this.denied(request.method, key)) return errorAnswer(403, 'AccessDenied');
    const versionId = request.query['versionId'];
    const stored = this.#versions.get(key)?.findLast(({ id }) => versionId === undefined || id === versionId);
    const current = stored?.deleted ? undefined : stored;
    if (request.method === 'GET') {
      if (current && request.headers['if-none-match'] === current.etag) {
        return { statusCode: 304, headers: { etag: current.etag }, body: new Uint8Array() };
      }
      if (current) return { statusCode: 200, headers: { ...current.headers, etag: current.etag }, body: current.body };
      if (!this.mayList) return errorAnswer(403, 'AccessDenied');
      return errorAnswer(404, 'NoSuchKey', stored ? { 'x-amz-delete-marker': 'true' } : {});
    }
    if (request.method !== 'PUT') return errorAnswer(405, 'MethodNotAllowed');
    const ifMatch = request.headers['if-match'];
    if (ifMatch !== undefined && !current) return errorAnswer(404, 'NoSuchKey');
    if (ifMatch !== undefined && current?.etag !== ifMatch) return errorAnswer(412, 'PreconditionFailed');
    if (request.headers['if-none-match'] === '*' && current) return errorAnswer(412, 'PreconditionFailed');
    const encoding = request.headers['content-encoding'];
    return this.put(key, request.body, encoding === undefined ? {} : { 'content-encoding': encoding });
  }

  put(key: string, body: Uint8Array, headers: Record<string, string> = {}): S3Response {
    // Content-based, as S3's often are: the same bytes have the same ETag.
    const etag = `"${createHash('md5').update(body).digest('hex')}"`;
    this.#add(key, { etag, body, headers: { ...headers, 'content-length': String(body.length) }, deleted: false });
    this.onCommit(key, body);
    return { statusCode: 200, headers: { etag }, body: new Uint8Array() };
  }

  delete(key: string): void {
    this.#add(key, { etag: '', body: new Uint8Array(), headers: {}, deleted: true });
  }

  /** As in a bucket without versions: nothing tells that it was there. */
  purge(key: string): void {
    this.#versions.delete(key);
  }

  get(key: string): Uint8Array | undefined {
    const newest = this.#versions.get(key)?.at(-1);
    return newest && !newest.deleted ? newest.body : undefined;
  }

  keys(): string[] {
    return [...this.#versions.keys()];
  }

  #add(key: string, content: Omit<Version, 'id' | 'storedAt'>): void {
    const versions = this.#versions.get(key) ?? [];
    versions.push({ ...content, id: `v${versions.length}`, storedAt: this.now() });
    this.#versions.set(key, versions);
  }

  #list({ prefix = '', ...query }: S3Request['query']): S3Response {
    if (!this.mayList) return errorAnswer(403, 'AccessDenied');
    const after = String(query['continuation-token'] ?? '');
    const keys = this.keys().filter((key) => key.startsWith(String(prefix)) && key > after && this.get(key));
    const page = keys.sort().slice(0, this.pageSize);
    const entries = page.map((key) => {
      const time = new Date(this.#versions.get(key)?.at(-1)?.storedAt ?? 0).toISOString();
      return `<Contents><Key>${key}</Key><LastModified>${time}</LastModified></Contents>`;
    });
    const next =
      page.length < keys.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
        : '<IsTruncated>false</IsTruncated>';
    return xml(`<ListBucketResult><Prefix>${String(prefix)}</Prefix>${next}${entries.join('')}</ListBucketResult>`);
  }

  #listVersions({ prefix = '', ...query }: S3Request['query']): S3Response {
    if (!this.mayListVersions) return errorAnswer(403, 'AccessDenied');
    const keys = [...this.#versions.keys()].filter((key) => key.startsWith(String(prefix))).sort();
    const all = keys.flatMap((key) =>
      [...(this.#versions.get(key) ?? [])].reverse().map((version, age) => ({ key, version, newest: age === 0 })),
    );
    const marker = (one: { key: string; version: Version }) =>
      one.key === query['key-marker'] && one.version.id === query['version-id-marker'];
    const page = all.slice(all.findIndex(marker) + 1).slice(0, this.pageSize);
    const last = page.at(-1);
    const entries = page.map(({ key, version, newest }) => {
      const tag = version.deleted ? 'DeleteMarker' : 'Version';
      const time = new Date(version.storedAt).toISOString();
      return `<${tag}><Key>${key}</Key><VersionId>${version.id}</VersionId><IsLatest>${newest}</IsLatest><LastModified>${time}</LastModified></${tag}>`;
    });
    const next =
      last && last !== all.at(-1)
        ? `<IsTruncated>true</IsTruncated><NextKeyMarker>${last.key}</NextKeyMarker><NextVersionIdMarker>${last.version.id}</NextVersionIdMarker>`
        : '<IsTruncated>false</IsTruncated>';
    return xml(`<ListVersionsResult><Prefix>${String(prefix)}</Prefix>${next}${entries.join('')}</ListVersionsResult>`);
  }
}

function xml(body: string): S3Response {
  return { statusCode: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) };
}

export function errorAnswer(statusCode: number, code: string, headers: Record<string, string> = {}): S3Response {
  return {
    statusCode,
    headers: { ...headers, 'content-type': 'application/xml' },
    body: Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`),
  };
}
