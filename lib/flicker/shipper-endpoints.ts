import { mapStrings, syslogPort, usedDestinations, type FlickerConfig } from '../../contract';

/** Where a shipper connects to over TCP or UDP. */
export interface ShipperEndpoint {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

/** The addresses that a config tells, each once, and the keys whose address is known only when the program starts. */
export interface ShipperEndpoints {
  readonly known: readonly ShipperEndpoint[];
  readonly unknown: readonly string[];
}

/** Finds the addresses in a config: its URLs, and syslog receivers. What has no address of its own is HTTPS on port 443. */
export function shipperEndpoints(config: FlickerConfig): ShipperEndpoints {
  const known = new Map<string, ShipperEndpoint>();
  const unknown: string[] = [];
  const add = (endpoint: ShipperEndpoint) => known.set(JSON.stringify(endpoint), endpoint);
  mapStrings(config, '', (text, key) => {
    const endpoint = endpointOf(text);
    if (endpoint) add(endpoint);
    else if (/(^|\.)(endpoint|url)$/.test(key) && text.includes('${')) unknown.push(key);
    return text;
  });
  for (const to of usedDestinations(config)) {
    if (to.type !== 'syslog') continue;
    add({ host: to.host, port: syslogPort(to), protocol: to.protocol === 'udp' ? 'UDP' : 'TCP' });
  }
  return { known: [...known.values()], unknown };
}

const schemePorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** Reads scheme, host and port, also where the host holds a `${NAME}` that is filled in later. */
export function endpointOf(text: string): ShipperEndpoint | undefined {
  const [, scheme = '', host = '', port] =
    /^(https?):\/\/(?:[^/?#@]*@)?([^/?#]*?)(?::(\d+))?(?:[/?#]|$)/.exec(text) ?? [];
  const standard = schemePorts[scheme];
  // A port that is filled in later is not the scheme's.
  if (standard === undefined || host.includes(':${')) return undefined;
  return { host, port: port ? Number(port) : standard, protocol: 'TCP' };
}
