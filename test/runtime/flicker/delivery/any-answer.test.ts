import fc from 'fast-check';
import { deliver } from '../../../../runtime/flicker/delivery';
import type { Answer, Destination } from '../../../../runtime/flicker/destination';
import { shipment } from '../destinations/support';
import { accepted, blocked, keptLetters, refused, retryAnswer, scripted, surroundings, tooLarge } from './support';

test('whatever is settled in part, every event is settled once', async () => {
  const fates = fc.array(fc.constantFrom('accepted', 'refused', 'refused too', 'retry'), {
    minLength: 1,
    maxLength: 12,
  });
  const plans = fc.array(fc.oneof(fates, fc.constant('too-large' as const), fc.constant('retry' as const)), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(plans, fc.integer({ min: 1, max: 30 }), async (plan, count) => {
      const { context } = surroundings();
      const { letters, deadLetters } = keptLetters();
      const arrived: string[] = [];
      const { destination, sent } = scripted([accepted]);
      const left = [...plan];
      const receiver: Destination = {
        ...destination,
        send: async (part, signal) => {
          const fate = left.shift() ?? ['accepted'];
          await destination.send(part, signal);
          const lines = sent.at(-1) ?? [];
          if (fate === 'too-large') return tooLarge;
          if (fate === 'retry') return retryAnswer();
          const fateOf = (i: number) => fate[i % fate.length];
          const indexes = lines.map((_, i) => i);
          arrived.push(...lines.filter((_, i) => fateOf(i) === 'accepted'));
          return {
            kind: 'partial',
            reason: 'busy',
            retry: indexes.filter((i) => fateOf(i) === 'retry'),
            refused: indexes.flatMap((index) => {
              const reason = fateOf(index) ?? '';
              return reason.startsWith('refused') ? [{ index, reason }] : [];
            }),
          };
        },
      };
      const all = Array.from({ length: count }, (_, i) => String(i));
      const result = await deliver(shipment(all), { ...context, destination: receiver, deadLetters });
      const kept = letters.flatMap(({ lines }) => lines);
      expect([...arrived, ...kept].map(Number).sort((a, b) => a - b)).toEqual(all.map(Number));
      expect(result).toMatchObject({ kind: 'settled', delivered: arrived.length, deadLettered: kept.length });
    }),
    { numRuns: 200 },
  );
});

test('whatever a destination answers, every event arrives or is kept, in order, and twice only where it is unknown', async () => {
  const answers = fc.array(
    fc.constantFrom<Answer>(
      accepted,
      refused,
      tooLarge,
      blocked,
      retryAnswer(),
      retryAnswer({ uncertain: true, reason: 'lost before' }),
      retryAnswer({ uncertain: true, reason: 'lost after' }),
    ),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(answers, fc.integer({ min: 1, max: 40 }), async (plan, count) => {
      const { context } = surroundings();
      const { letters, deadLetters } = keptLetters();
      const arrived: string[] = [];
      let uncertain = 0;
      const { destination, sent } = scripted([...plan, accepted]);
      const receiver: Destination = {
        ...destination,
        send: async (part, signal) => {
          const answer = await destination.send(part, signal);
          const took = answer.kind === 'accepted' || (answer.kind === 'retry' && answer.reason === 'lost after');
          if (took) arrived.push(...(sent.at(-1) ?? []));
          if (took && answer.kind === 'retry') uncertain += part.records.count;
          return answer;
        },
      };
      const all = Array.from({ length: count }, (_, i) => String(i));
      const result = await deliver(shipment(all), { ...context, destination: receiver, deadLetters });
      const kept = letters.flatMap(({ lines }) => lines);
      const missing = all.filter((one) => !arrived.includes(one) && !kept.includes(one));
      expect(missing).toEqual([]);
      const firsts = arrived.filter((one, i) => arrived.indexOf(one) === i).map(Number);
      expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
      expect(kept.map(Number)).toEqual([...kept].map(Number).sort((a, b) => a - b));
      const repeated = arrived.length + kept.length - count;
      expect(repeated).toBeLessThanOrEqual(uncertain);
      expect(context.metrics.eventsResent.total()).toBeGreaterThanOrEqual(repeated - kept.length);
      expect(result).toMatchObject({ kind: 'settled', delivered: count - kept.length, deadLettered: kept.length });
    }),
    { numRuns: 200 },
  );
});
