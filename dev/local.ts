import { once } from 'node:events';
import { Command } from 'commander';
import { connectionFromEnvironment } from './aws';
import { listServices, runService, type LogLine, type RunningService, type TaskState } from './ecs';

interface Options {
  readonly service?: readonly string[];
  readonly env?: readonly string[];
}

const collect = (value: string, all: readonly string[] = []) => [...all, value];

const program = new Command('npm run local --')
  .description(
    'Runs the ECS services of a deployed stack on this machine, without containers, against the AWS that ' +
      'AWS_ENDPOINT_URL names (an embedded or local one: a service that runs here takes over the state of the deployed one).',
  )
  .argument('<stack>', 'name of the stack')
  .option('-s, --service <id>', 'only this service: its logical id, or what it begins with (repeatable)', collect)
  .option('-e, --env <container:NAME=value>', 'a variable that wins over the deployed one (repeatable)', collect)
  .addHelpText(
    'after',
    '\nIt reads AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Ctrl-C stops it.',
  );

async function main(argv: readonly string[]): Promise<void> {
  program.parse(argv);
  const [stackName = ''] = program.args;
  const options = program.opts<Options>();
  const environment = overrides(options.env ?? []);
  const aws = connectionFromEnvironment();
  const ids = options.service ?? (await listServices(aws, stackName));
  if (ids.length === 0) throw new Error(`stack ${stackName} has no ECS service`);

  const told = new Map<string, string>();
  const running: RunningService[] = [];
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const impatient = () => process.exit(130);
  try {
    for (const id of ids) {
      const prefix = ids.length > 1 ? `${id}/` : '';
      const log = ({ taskId, container, line }: LogLine) => say(`${prefix}${taskId.slice(0, 6)}/${container}`, line);
      const onChange = (task: TaskState) => tellChange(`${prefix}${task.id.slice(0, 6)}`, task, told);
      const service = await runService({ aws, stackName, service: id, environment, log, onChange });
      running.push(service);
      say(service.name, `runs ${service.definition().arn}`);
    }
    await interrupted;
    say('local', 'stopping; once more stops at once');
    process.once('SIGINT', impatient).once('SIGTERM', impatient);
  } finally {
    await Promise.all(running.map((service) => service.stop()));
  }
}

/** `container:NAME=value`, by container. */
function overrides(entries: readonly string[]): Record<string, Record<string, string>> {
  const all: Record<string, Record<string, string>> = {};
  for (const entry of entries) {
    const [, container, name, value] = /^([^:=]+):([^=]+)=(.*)$/s.exec(entry) ?? [];
    if (container === undefined || name === undefined || value === undefined)
      throw new Error(`--env ${entry} is not <container>:<NAME>=<value>`);
    all[container] = { ...all[container], [name]: value };
  }
  return all;
}

/** Says what has changed since the last time, and nothing twice. */
function tellChange(prefix: string, task: TaskState, told: Map<string, string>): void {
  const tell = (name: string, text: string) => {
    if (told.get(name) !== text) say(name, text);
    told.set(name, text);
  };
  tell(prefix, `task ${task.status}${task.stoppedReason ? ` (${task.stoppedReason})` : ''}`);
  for (const [name, { status, health, exitCode, restarts, reason }] of Object.entries(task.containers)) {
    const details = [
      health === 'UNKNOWN' ? undefined : health,
      exitCode === undefined || status !== 'STOPPED' ? undefined : `exit code ${exitCode}`,
      restarts === 0 ? undefined : `restart ${restarts}`,
      reason,
    ].filter((part) => part !== undefined);
    tell(`${prefix}/${name}`, [status, ...details].join(', '));
  }
}

function say(who: string, text: string): void {
  process.stdout.write(`${who} | ${text}\n`);
}

main(process.argv).catch((error: unknown) => {
  process.stderr.write(`local: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
