import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeApi } from './api';

/** Finds a program of Kubernetes in KUBEBUILDER_ASSETS, or on the path. */
export function kubeTool(name: string): string | undefined {
  const folders = [process.env.KUBEBUILDER_ASSETS ?? '', ...(process.env.PATH ?? '').split(delimiter)];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

/** Those of the programs that a job needs and does not find. */
export function missingTools(names: readonly string[]): string[] {
  return names.filter((name) => kubeTool(name) === undefined);
}

/** What runs nothing and admits everything that a real cluster does. */
export const apiTools = ['etcd', 'kube-apiserver'] as const;
/** What rolls workloads out, on nodes and pods that kwok plays. */
export const rolloutTools = [...apiTools, 'kube-controller-manager', 'kube-scheduler', 'kwok'] as const;

/** What checks charts without a cluster. */
export const chartTools = ['helm', 'promtool', 'kube-score'] as const;

export interface ControlPlane {
  readonly api: KubeApi;
  stop(): Promise<void>;
}

const START_MS = 60_000;

/**
 * Starts a control plane on loopback, without containers. `rollouts`: with controllers, scheduler and kwok.
 *
 * @throws Error that names what is missing, or holds the end of the log of what did not start
 */
export async function startControlPlane(options: { readonly rollouts: boolean }): Promise<ControlPlane> {
  const wanted = options.rollouts ? rolloutTools : apiTools;
  const missing = missingTools(wanted);
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')} not found in KUBEBUILDER_ASSETS (${process.env.KUBEBUILDER_ASSETS ?? 'not set'}) or on the path; ` +
        'get etcd and kube-apiserver with: export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-kube-'));
  const running: ChildProcess[] = [];
  const start = (name: string, args: readonly string[]): void => {
    const log = openSync(join(folder, `${name}.log`), 'w');
    const child = spawn(kubeTool(name) ?? name, args, { cwd: folder, stdio: ['ignore', log, log] });
    running.push(child);
  };
  const stop = async (): Promise<void> => {
    for (const child of running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [port, client, peer, kwok] = await freePorts(4);
    const token = randomBytes(16).toString('hex');
    writeKeys(folder, token);
    startStore(start, folder, `http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`);
    startApi(start, folder, { port: Number(port), store: `http://127.0.0.1:${client}`, rollouts: options.rollouts });
    const api = await ready(folder, Number(port), token, running);
    if (options.rollouts) {
      startControllers(start, folder, { server: `https://127.0.0.1:${port}`, token, kwok: Number(kwok) });
    }
    return { api, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = (name: string, args: readonly string[]) => void;

function startStore(start: Start, folder: string, client: string, peer: string): void {
  start('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync=true',
  ]);
}

function startApi(
  start: Start,
  folder: string,
  { port, store, rollouts }: { port: number; store: string; rollouts: boolean },
): void {
  start('kube-apiserver', [
    `--etcd-servers=${store}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${join(folder, 'certs')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--endpoint-reconciler-type=none',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(folder, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
    // Without controllers nobody makes service accounts, and their admission would refuse every pod.
    ...(rollouts ? [] : ['--disable-admission-plugins=ServiceAccount']),
  ]);
}

function startControllers(
  start: Start,
  folder: string,
  { server, token, kwok }: { server: string; token: string; kwok: number },
): void {
  const ca = join(folder, 'certs', 'apiserver.crt');
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': ca } }],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    }),
  );
  start('kube-controller-manager', [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
    `--service-account-private-key-file=${join(folder, 'sa.key')}`,
    `--root-ca-file=${ca}`,
  ]);
  start('kube-scheduler', [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0']);
  start('kwok', [
    `--kubeconfig=${kubeconfig}`,
    `--config=${join(__dirname, 'kwok-stages.yaml')}`,
    '--manage-all-nodes=true',
    '--node-lease-duration-seconds=40',
    `--server-address=127.0.0.1:${kwok}`,
  ]);
}

function writeKeys(folder: string, token: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  mkdirSync(join(folder, 'certs'));
  writeFileSync(join(folder, 'sa.key'), privateKey, { mode: 0o600 });
  writeFileSync(join(folder, 'sa.pub'), publicKey);
  writeFileSync(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
}

/** Waits until the API server says that it is ready. It makes its certificate itself. */
async function ready(folder: string, port: number, token: string, running: readonly ChildProcess[]): Promise<KubeApi> {
  const until = Date.now() + START_MS;
  const certificate = join(folder, 'certs', 'apiserver.crt');
  for (;;) {
    const ended = running.findIndex(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    const name = ended === -1 ? 'kube-apiserver' : (apiTools[ended] ?? 'kube-apiserver');
    if (ended !== -1 || Date.now() > until) {
      const log = readFileSync(join(folder, `${name}.log`), 'utf8');
      throw new Error(`${name} ${ended === -1 ? `is not ready after ${START_MS} ms` : 'ended'}: ${log.slice(-2000)}`);
    }
    if (existsSync(certificate)) {
      const api = new KubeApi({ port, token, ca: readFileSync(certificate, 'utf8') });
      const answer = await api.request('GET', '/readyz').catch(() => undefined);
      if (answer?.status === 200) return api;
      await api.close();
    }
    await sleep(100);
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a server on loopback has no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
