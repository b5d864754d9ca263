import { Agent, request } from 'undici';
import { z } from 'zod';

/** An object of Kubernetes, as far as its place goes. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface Answer {
  readonly status: number;
  /** What the API server warns of. */
  readonly warnings: readonly string[];
  readonly body: unknown;
}

const resources = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

/** The API of a cluster. */
export class KubeApi {
  private readonly agent: Agent;
  private readonly groups = new Map<string, z.output<typeof resources>>();

  constructor(private readonly server: { readonly port: number; readonly token: string; readonly ca: string }) {
    this.agent = new Agent({ connect: { ca: server.ca } });
  }

  async request(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<Answer> {
    const type = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
    const answer = await request(`https://127.0.0.1:${this.server.port}${path}`, {
      method,
      dispatcher: this.agent,
      headers: { authorization: `Bearer ${this.server.token}`, 'content-type': type, accept: 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : text;
    const warnings = [answer.headers.warning ?? []].flat().map((line) => line.replace(/^299 - "(.*)"$/s, '$1'));
    return { status: answer.statusCode, warnings, body: parsed };
  }

  /** Applies an object on the server's side; unknown and duplicate fields are errors. */
  async apply(object: KubeObject, options: { readonly dryRun: boolean }): Promise<Answer> {
    const query = new URLSearchParams({
      fieldManager: 'holdfast',
      fieldValidation: 'Strict',
      force: 'true',
      ...(options.dryRun ? { dryRun: 'All' } : {}),
    });
    return this.request('PATCH', `${await this.pathOf(object)}?${query.toString()}`, object);
  }

  async get(object: KubeObject): Promise<unknown> {
    const { status, body } = await this.request('GET', await this.pathOf(object));
    if (status !== 200) throw new Error(`${object.kind}/${object.metadata.name}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The path of an object, by what the API server says of its kind. */
  async pathOf({ apiVersion, kind, metadata }: KubeObject): Promise<string> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const find = () =>
      this.groups.get(group)?.resources.find(({ name, kind: found }) => found === kind && !name.includes('/'));
    if (!find()) this.groups.set(group, resources.parse((await this.request('GET', group)).body));
    const resource = find();
    if (!resource) throw new Error(`the API server knows no ${kind} in ${apiVersion}`);
    const namespace = resource.namespaced ? `/namespaces/${metadata.namespace ?? 'default'}` : '';
    return `${group}${namespace}/${resource.name}/${metadata.name}`;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}
