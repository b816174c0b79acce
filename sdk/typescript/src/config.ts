import { existsSync, readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { rootCertificates } from "node:tls";
import { credentials } from "@grpc/grpc-js";
import type { ChannelCredentials } from "@grpc/grpc-js";
import { AgentGuardError, misconfigured } from "./errors.js";

/** PEM text, or its bytes. */
export type Pem = string | Uint8Array;

/** Whom to trust, and who the client is. Names and certificates are always checked. */
export interface TlsOptions {
  /** The certificates to trust in place of the system's, as PEM or as a file. */
  ca?: Pem | undefined;
  caFile?: string | undefined;
  /** The client's own certificate and its key, as PEM or as files; both or neither. */
  cert?: Pem | undefined;
  certFile?: string | undefined;
  key?: Pem | undefined;
  keyFile?: string | undefined;
}

/** How a client is built. What is not given comes from the environment. */
export interface ClientOptions {
  /** `https://host[:port]`, `http://host[:port]`, `host:port` or `dns:///host:port`. */
  endpoint?: string | undefined;
  /** The agent's or the administrator's key. */
  apiKey?: string | undefined;
  tls?: TlsOptions | undefined;
  /** Lets the key travel in plain text to another host. */
  insecure?: boolean | undefined;
  /** The deadline of a call in milliseconds, all its tries together. Default: 1,000 for agents, 10,000 for administrators. */
  timeoutMs?: number | undefined;
  /** Told of outcomes that `guard` could not report. Default: `console.warn`. */
  onReportFailure?: ((decisionId: string, error: AgentGuardError) => void) | undefined;
}

/** What differs between agents and administrators. */
export interface Role {
  header: "x-agent-key" | "x-admin-key";
  keyVariable: string;
  timeoutMs: number;
  maxAnswer: number;
}

export const AGENT: Role = { header: "x-agent-key", keyVariable: "AGENTGUARD_API_KEY", timeoutMs: 1_000, maxAnswer: 4 << 20 };
export const ADMIN: Role = { header: "x-admin-key", keyVariable: "AGENTGUARD_ADMIN_KEY", timeoutMs: 10_000, maxAnswer: 16 << 20 };

/** A client's settings, checked. */
export interface Settings {
  target: string;
  plain: boolean;
  credentials: ChannelCredentials;
  key: string;
  timeoutMs: number;
}

export function settingsOf(options: ClientOptions, role: Role): Settings {
  const { host, port, plain } = parseEndpoint(options.endpoint ?? environment("AGENTGUARD_ENDPOINT") ?? "http://127.0.0.1:8000");
  if (plain && !isLoopback(host) && options.insecure !== true) {
    throw misconfigured("the endpoint would get the key in plain text over a network; use https://, or say `insecure: true`");
  }
  return {
    target: `dns:${isIPv6(host) ? `[${host}]` : host}:${port}`,
    plain,
    credentials: plain ? credentials.createInsecure() : secure(options.tls ?? {}),
    key: keyOf(options.apiKey, role),
    timeoutMs: timeoutOf(options.timeoutMs) ?? role.timeoutMs,
  };
}

/** A timeout that was given, checked. */
export function timeoutOf(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0 && timeoutMs <= 0x7fffffff)) {
    throw misconfigured("`timeoutMs` must be a number of milliseconds above 0 and below 2^31");
  }
  return timeoutMs;
}

function parseEndpoint(endpoint: string): { host: string; port: number; plain: boolean } {
  const refused = misconfigured("the endpoint must be https://host[:port], http://host[:port], host:port or dns:///host:port, without path, query or password");
  const [, scheme, authority] = /^(https?:\/\/|dns:\/\/\/)?([^/?#@\s]+)$/.exec(endpoint) ?? [];
  const [, bracketed, name, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(authority ?? "") ?? [];
  const host = bracketed ?? name;
  const web = scheme === "https://" || scheme === "http://";
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed)) || (portText === undefined && !web)) throw refused;
  const port = portText === undefined ? (scheme === "https://" ? 443 : 80) : Number(portText);
  if (port < 1 || port > 65535) throw refused;
  return { host, port, plain: web ? scheme === "http://" : isLoopback(host) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

function keyOf(given: string | undefined, role: Role): string {
  const file = environment(`${role.keyVariable}_FILE`);
  const key = given ?? environment(role.keyVariable) ?? (file === undefined ? undefined : readText(file).trim());
  if (key === undefined) {
    throw misconfigured(`there is no key: give \`apiKey\`, or set ${role.keyVariable} or ${role.keyVariable}_FILE`);
  }
  if (!/^[\x21-\x7e]+$/.test(key)) throw misconfigured("the key must be one or more visible ASCII characters");
  return key;
}

function secure(tls: TlsOptions): ChannelCredentials {
  const ca = pem(tls.ca, tls.caFile ?? environment("AGENTGUARD_CA_FILE"));
  const cert = pem(tls.cert, tls.certFile ?? environment("AGENTGUARD_CLIENT_CERT_FILE"));
  const key = pem(tls.key, tls.keyFile ?? environment("AGENTGUARD_CLIENT_KEY_FILE"));
  if ((cert === undefined) !== (key === undefined)) throw misconfigured("a client certificate needs its key, and a key its certificate");
  try {
    // Said, because NODE_TLS_REJECT_UNAUTHORIZED=0 would switch the check off for the whole process.
    return credentials.createSsl(ca ?? systemRoots(), key ?? null, cert ?? null, { rejectUnauthorized: true });
  } catch {
    throw misconfigured("the certificates or their key cannot be read as PEM");
  }
}

function pem(given: Pem | undefined, file: string | undefined): Buffer | undefined {
  if (given !== undefined) return Buffer.from(given as Uint8Array);
  return file === undefined ? undefined : Buffer.from(readText(file));
}

/** Where systems keep the certificates that they trust; Node's own list where there is none of these. */
const ROOT_FILES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

function systemRoots(): Buffer {
  const file = [environment("SSL_CERT_FILE"), ...ROOT_FILES].find((path) => path !== undefined && existsSync(path));
  return Buffer.from(file === undefined ? rootCertificates.join("\n") : readText(file));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw misconfigured(`the file ${file} cannot be read`);
  }
}

function environment(name: string): string | undefined {
  return process.env[name] || undefined;
}
