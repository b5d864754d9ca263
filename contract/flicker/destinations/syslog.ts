import { z } from 'zod';
import { duration, strictObject, text, type SettingsMode } from '../../settings';
import { delivery, tls } from './common';

/** Largest UDP payload over IPv4. */
const MAX_DATAGRAM = 65_507;

/** The port of a receiver: that of its protocol, unless it is told. */
export function syslogPort({
  port,
  protocol,
}: {
  readonly port?: number | undefined;
  readonly protocol: string;
}): number {
  return port ?? (protocol === 'tls' ? 6514 : 514);
}

/** A syslog receiver. */
export function syslogDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('syslog'),
    host: z.string().min(1).describe('Name or address of the receiver.'),
    port: z.int().min(1).max(65_535).optional().describe('Port: 514 by default, 6514 with `protocol: tls`.'),
    protocol: z
      .enum(['udp', 'tcp', 'tls'])
      .default('udp')
      .describe('Transport. `udp` loses messages without a sign; `tls` is TCP with TLS (RFC 5425).'),
    format: z
      .enum(['rfc3164', 'rfc5424'])
      .default('rfc3164')
      .describe('Over TCP, messages of RFC 3164 end in a line feed, those of RFC 5424 are counted (RFC 6587).'),
    facility: z.int().min(0).max(23).default(16).describe('Facility number; 16 is local0.'),
    severity: z.int().min(0).max(7).default(6).describe('Severity number; 6 is informational.'),
    tag: text(
      mode,
      (value) => /^[!-9;-Z\\^-~]{1,32}$/.test(value),
      'at most 32 visible characters without ":", "[", "]"',
    )
      .default('flicker')
      .describe('Tag (RFC 3164) or application name (RFC 5424).'),
    max_message_bytes: z
      .int()
      .min(480)
      .default(8192)
      .describe('A longer message is sent in numbered parts. Receivers take 8 KiB by default, some 1 KiB.'),
    timeout_ms: duration(mode, { min: 1 }).prefault(30_000).describe('How long connecting and writing may take.'),
    tls: tls().optional().describe('Private authority or client certificate; goes with `protocol: tls`.'),
    ...delivery(mode),
  })
    .refine((syslog) => !syslog.tls || syslog.protocol === 'tls', { error: 'tls goes with protocol: tls' })
    .refine((syslog) => syslog.protocol !== 'udp' || syslog.max_message_bytes <= MAX_DATAGRAM, {
      error: `max_message_bytes can be ${MAX_DATAGRAM} at most over udp`,
    });
}
