import { run } from './cli';

// Nobody reads any more what is written. A start sends again what was not saved.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (stream === process.stdout)
      process.stderr.write(`flicker: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
}

run(process.argv, process.env).then(
  // What a library still holds open must not keep a finished program from ending. Writes to pipes and files are done.
  (code) => process.exit(code),
  (error: unknown) => {
    const debug = process.argv.includes('--debug');
    process.stderr.write(`flicker: ${debug && error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
