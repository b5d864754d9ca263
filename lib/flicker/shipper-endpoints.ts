import type { FlickerConfig } from '../../contract';

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

/** Finds the addresses in a config: URLs, and hosts beside a port. What needs none is HTTPS on port 443. */
export function shipperEndpoints(config: FlickerConfig): ShipperEndpoints {
  const known = new Map<string, ShipperEndpoint>();
  const unknown: string[] = [];
  const add = (endpoint: ShipperEndpoint) => known.set(JSON.stringify(endpoint), endpoint);
  const visit = (value: unknown, key: string): void => {
    if (typeof value === 'string') {
      const endpoint = endpointOf(value);
      if (endpoint) add(endpoint);
      else if (/(^|\.)(endpoint|url|urls(\[\d+\])?|address|host)$/.test(key) && value.startsWith('${'))
        unknown.push(key);
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => visit(item, `${key}[${index}]`));
    } else if (typeof value === 'object' && value !== null) {
      if ('port' in value && typeof value.port === 'number' && 'host' in value && typeof value.host === 'string') {
        add({ host: value.host, port: value.port, protocol: isUdp(value) ? 'UDP' : 'TCP' });
      }
      for (const [name, item] of Object.entries(value)) visit(item, key ? `${key}.${name}` : name);
    }
  };
  visit(config, '');
  return { known: [...known.values()], unknown };
}

function isUdp(value: object): boolean {
  return Object.values(value).includes('udp');
}

const schemePorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** Reads scheme, host and port, also where the host holds a `${NAME}` that is filled in later. */
export function endpointOf(text: string): ShipperEndpoint | undefined {
  const [, scheme = '', host = '', port] =
    /^(https?):\/\/(?:[^/?#@]*@)?([^/?#]*?)(?::(\d+))?(?:[/?#]|$)/.exec(text) ?? [];
  const standard = schemePorts[scheme];
  return standard === undefined ? undefined : { host, port: port ? Number(port) : standard, protocol: 'TCP' };
}
