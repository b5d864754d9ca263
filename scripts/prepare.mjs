#!/usr/bin/env node
/**
 * Makes a clone ready to run: the npm packages of the lock file, and the embedded AWS in `.cache/aws`.
 * The only step that uses the network. Does nothing, quickly, when there is nothing to do.
 *
 *   node scripts/prepare.mjs [--no-emulator]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache');
const venv = join(cache, 'aws', 'venv');
const interpreter = join(venv, 'bin', 'python');
const stampFile = join(cache, 'aws', 'stamp.json');
const requirements = join(root, 'dev', 'aws', 'requirements.txt');

const oldestNode = [20, 19];
const oldestPython = [3, 11];
const pythons = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python'];
const lockPatience = 15 * 60_000;

/** What stops the preparation, in one line for people. */
class Missing extends Error {}

function main(args) {
  const unknown = args.filter((arg) => arg !== '--no-emulator');
  if (unknown.length > 0) throw new Missing(`unknown argument ${unknown[0]}; the only one is --no-emulator`);
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]))
    throw new Missing(`Node ${oldestNode.join('.')} or newer is needed, this is ${process.versions.node}`);

  const work = [
    { due: () => !packagesInstalled(), run: installPackages },
    { due: () => !args.includes('--no-emulator') && !emulatorInstalled(), run: installEmulator },
  ];
  if (!work.some(({ due }) => due())) return;
  // Another run may do the same work while this one waits for the lock: each step is asked again inside.
  underLock(() => work.filter(({ due }) => due()).forEach(({ run }) => run()));
}

/** Whether node_modules is what the lock file says. Packages for other platforms may be absent. */
function packagesInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  if (wanted === undefined) throw new Missing('package-lock.json is missing or not readable; restore it from git');
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return false;
  const same = (a, b) => a.version === b.version && a.integrity === b.integrity;
  return (
    Object.entries(wanted).every(([path, entry]) => {
      if (path === '') return true;
      const found = installed[path];
      return found === undefined ? entry.optional === true || entry.devOptional === true : same(entry, found);
    }) && Object.keys(installed).every((path) => path in wanted)
  );
}

function installPackages() {
  say('installing the npm packages of package-lock.json');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  // This may be a step of `npm test`: what npm tells its scripts must not steer the npm inside.
  const own =
    /^(npm_(lifecycle|package)_|npm_(command|config_(global|dry_run|omit|only|production|workspaces?|loglevel))$)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  run('npm packages', command, [...first, ...args, '--loglevel=error'], { env });
}

/** Whether the virtual environment holds these requirements, and its Python is still the one that made it. */
function emulatorInstalled() {
  const stamp = readJson(stampFile);
  return stamp !== undefined && stamp.requirements === hashOf(requirements) && stamp.python === interpreterOf(venv);
}

function installEmulator() {
  const python = findPython();
  say(`installing the embedded AWS with Python ${python.version}`);
  rmSync(join(cache, 'aws'), { recursive: true, force: true });
  mkdirSync(join(cache, 'aws'), { recursive: true });
  run('embedded AWS', python.command, ['-m', 'venv', venv]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'];
  run('embedded AWS', interpreter, [...pip, '--requirement', requirements]);
  writeFileSync(stampFile, JSON.stringify({ requirements: hashOf(requirements), python: interpreterOf(venv) }));
}

/** The interpreter's version and real file: the environment breaks when an upgrade of the system moves either. */
function interpreterOf(folder) {
  try {
    const version = /^version = (.*)$/m.exec(readFileSync(join(folder, 'pyvenv.cfg'), 'utf8'))?.[1];
    return `${version} ${realpathSync(interpreter)}`;
  } catch {
    return undefined;
  }
}

function findPython() {
  const probe = 'import sys, venv, ensurepip; print("%d.%d.%d" % sys.version_info[:3])';
  for (const command of pythons) {
    const { status, stdout } = spawnSync(command, ['-c', probe], { encoding: 'utf8' });
    if (status !== 0) continue;
    const version = stdout.trim();
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major > oldestPython[0] || (major === oldestPython[0] && minor >= oldestPython[1])) return { command, version };
  }
  throw new Missing(
    `Python ${oldestPython.join('.')} or newer with its venv module is needed for the embedded AWS (tried ${pythons.join(', ')}); ` +
      'install it, on Debian and Ubuntu: apt install python3 python3-venv',
  );
}

/** Runs a command to its end; its output is shown only when it fails, and a missing network has a line of its own. */
function run(what, command, args, options = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (status === 0) return;
  if (error) throw new Missing(`${what}: ${command} does not start (${error.code ?? error.message})`);
  const output = `${stdout}${stderr}`;
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|NewConnectionError|Name or service|Network is unreachable/.test(
      output,
    )
  )
    throw new Missing(
      `${what}: the package registry cannot be reached; run \`npm run prepare-tree\` once with a network`,
    );
  process.stderr.write(output);
  throw new Missing(
    `${what}: ${command} ${args.slice(0, 3).join(' ')} failed with ${signal ?? `exit code ${status}`}, see above`,
  );
}

/** One run at a time: the lock is a file with the holder's process id, and a dead holder's lock is taken over. */
function underLock(work) {
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, 'prepare.lock');
  const mine = `${lock}.${process.pid}`;
  const since = Date.now();
  let told = false;
  writeFileSync(mine, String(process.pid));
  try {
    while (!tryLink(mine, lock)) {
      const holder = readText(lock);
      if (holder === undefined) continue;
      if (!alive(Number(holder))) {
        takeAway(lock, `${mine}.dead`, holder);
        continue;
      }
      if (!told) say(`waiting for another run of it (process ${holder})`);
      told = true;
      if (Date.now() - since > lockPatience)
        throw new Missing(
          `process ${holder} has held ${lock} for long; if it is not a run of this script, delete the file`,
        );
      sleep(100);
    }
    try {
      work();
    } finally {
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes a dead holder's lock; another's that has come in between is put back. */
function takeAway(lock, aside, holder) {
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (readText(aside) !== holder) tryLink(aside, lock);
  rmSync(aside, { force: true });
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function hashOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readJson(file) {
  try {
    return JSON.parse(readText(file) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function say(text) {
  process.stderr.write(`prepare: ${text}\n`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  say(error.message);
  process.exitCode = 1;
}
