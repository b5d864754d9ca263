import { promoteRegistry } from '../../registry/promote';
import { look } from '../../registry/operate';
import { carrySpilled } from './registry-copy';
import { stateOf, type Desktop } from './registry-desk';
import { header } from './registry-show';

/** `flicker registry promote`. */
export function promote(replica: Desktop, to: Desktop, overwrite: boolean): Promise<number> {
  return to.explained(async () => {
    const stored = await look(replica.store, replica);
    if (stored.kind === 'current' && !to.json) {
      to.print(`${header(stored.document, replica.store.location, stored.bytes, replica.clock.now())}\n\n`);
      to.print(
        'What was shipped after it was saved is shipped again. The instances of the lost region must be stopped.\n',
      );
    }
    await to.confirm(`Make the registry ${to.store.location} of this copy?`);
    const { document, again } = await promoteRegistry({
      replica: replica.store,
      to: to.store,
      desk: to,
      overwrite,
      carry: (copy) => carrySpilled(stateOf(copy, replica.store.location).spill ?? [], replica, to),
    });
    if (to.json) {
      const from = replica.store.location;
      to.print(`${JSON.stringify({ from, to: to.store.location, again, lease: document.lease }, null, 2)}\n`);
    } else {
      to.print(again ? 'promoted before: nothing was written\n' : `promoted with epoch ${document.lease.epoch}\n`);
      to.print(`Start the instances with --registry-file ${to.store.location}\n`);
    }
    return 0;
  });
}
