import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

test('children and folders go with a process that is killed', async () => {
  const script = `
    const { guard, temporaryFolder } = require('${join(__dirname, '../../dev/guard')}');
    const child = require('node:child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    guard(child);
    console.log(JSON.stringify([child.pid, temporaryFolder('holdfast guard ')]));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--require', require.resolve('tsx/cjs'), '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const [pid, folder] = JSON.parse(line) as [number, string];
  expect(existsSync(folder)).toBe(true);
  parent.kill('SIGKILL');
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  while (alive() || existsSync(folder)) await delay(10);
});
