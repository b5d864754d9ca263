/** What can be run, by name, loaded when it is asked for. The result of each is the exit code. */
export type Commands = Readonly<Record<string, () => Promise<(args: string[]) => Promise<number>>>>;

/** Runs what the command line of `npm run <script>` names, and sets the exit code. */
export async function runCommand(script: string, commands: Commands): Promise<void> {
  const [what, ...args] = process.argv.slice(2);
  const load = commands[what ?? ''];
  if (load) {
    const run = await load();
    process.exitCode = await run(args);
    return;
  }
  console.error(`npm run ${script} -- ${Object.keys(commands).join('|')} [options]`);
  process.exitCode = 2;
}
