// What the walks share: the client as it comes from npm, a line for each method, and a record of every
// answer, so that the client's own types can judge them afterwards.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";

import { BlnkInit } from "@blnkfinance/blnk-typescript";

export type Client = ReturnType<typeof BlnkInit>;
export type Json = Record<string, unknown>;

/** An answer as the client hands it on. */
export interface Answered<T> {
  status: number;
  message: string;
  data: T | null;
  error?: { code: string; message: string } | null;
}

export const baseUrl = process.env.BLNK_BASE_URL ?? "http://127.0.0.1:8080/";
export const apiKey = process.env.BLNK_API_KEY ?? "";

const silent = { info: () => undefined, error: () => undefined, debug: () => undefined };

/** The client with a key, unmodified, and silent. */
export function connect(key: string): Client {
  return BlnkInit(key, { baseUrl, timeout: 60_000, logger: silent });
}

const called = new Set<string>();

/** The same client; what is called on its services is noted. */
export function watched(client: Client): Client {
  const notes = (service: string) => ({
    get(target: object, name: string | symbol): unknown {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      called.add(`${service}.${String(name)}`);
      return found.bind(target);
    },
  });
  return new Proxy(client, {
    get(target, name): unknown {
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === "object" && found !== null ? new Proxy(found, notes(String(name))) : found;
    },
  });
}

/** Every public method of every service that the package has. */
export function methods(client: Client): string[] {
  const described = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(client));
  const services = Object.entries(described).filter(([, it]) => it.get !== undefined).map(([name]) => name);
  return services.flatMap((service) => {
    const made: object = client[service as keyof Client];
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(made));
    return names.filter((name) => name !== "constructor").map((name) => `${service}.${name}`);
  });
}

const failures: string[] = [];
const answers: { name: string; type: string; data: unknown }[] = [];

export function line(name: string, said: string): void {
  console.log(`TypeScript  ${name.padEnd(52)}${said}`);
}

export function failed(name: string, why: unknown): void {
  const text = why instanceof Error ? why.message : String(why);
  failures.push(`${name}: ${text}`);
  line(name, `FAILED: ${text.replaceAll("\n", " ")}`);
}

/** Where the wire's description names no status but success. */
export const done = [200, 201, 202];

/** One call: its status, and what `check` says of what came. `type` is the answer's type, if the method's
 * own does not say it; empty if it has none that fits. */
export async function see<T>(
  name: string,
  status: number | number[],
  call: () => Promise<Answered<T>>,
  check: (data: T) => string,
  type?: string,
): Promise<T> {
  let data = {} as T;
  try {
    const answered = await call();
    const told = JSON.stringify(answered.data);
    assert.ok([status].flat().includes(answered.status), `${answered.status} ${answered.message} ${told}`);
    data = answered.data as T;
    try {
      line(name, `${answered.status}, ${check(data)}`);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)} in ${told}`);
    }
    const [service, method] = (name.split(",")[0] ?? "").split(".");
    const judge = type ?? `Answer<"${service}", "${method}">`;
    if (judge !== "") answers.push({ name, type: judge, data });
  } catch (error) {
    failed(name, error);
  }
  return data ?? ({} as T);
}

/** One call that is refused: by this status and one of these codes. */
export async function refused<T>(
  name: string,
  status: number,
  codes: string | string[],
  call: () => Promise<Answered<T>>,
): Promise<void> {
  try {
    const answered = await call();
    const told = `${answered.status} ${answered.error?.code} ${answered.message}`;
    assert.equal(answered.status, status, told);
    assert.ok([codes].flat().includes(answered.error?.code ?? ""), `${told}, expected ${String(codes)}`);
    assert.ok((answered.error?.message ?? "").length > 0, "a sentence");
    line(name, told);
  } catch (error) {
    failed(name, error);
  }
}

/** A request past the client, for what its own checks would not let through; read as the client reads it. */
export async function plain(method: string, path: string, body?: string, key = apiKey): Promise<Answered<Json>> {
  const headers = { "content-type": "application/json", ...(key === "" ? {} : { "X-Blnk-Key": key }) };
  const answer = await fetch(baseUrl + path, { method, headers, body });
  const data = (await answer.json()) as Json;
  const detail = data.error_detail as { code: string; message: string } | undefined;
  return { status: answer.status, message: String(data.error), data, error: detail ?? null };
}

/** Asks again until `done`, for half a minute. */
export async function until<T>(what: string, ask: () => Promise<Answered<T>>, done: (data: T) => boolean): Promise<Answered<T>> {
  for (const end = Date.now() + 30_000; ; ) {
    const answered = await ask();
    if (answered.status < 300 && answered.data !== null && done(answered.data)) return answered;
    if (answered.status >= 400 || Date.now() > end) throw new Error(`never: ${what}; last ${JSON.stringify(answered)}`);
    await new Promise((ready) => setTimeout(ready, 20));
  }
}

export function is<T>(actual: T, expected: T): T {
  assert.deepEqual(actual, expected);
  return actual;
}

/** The fields of `expected`, each exactly. */
export function has(actual: object, expected: Json): string {
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual((actual as Json)[name], value, `${name}: ${JSON.stringify((actual as Json)[name])}, not ${JSON.stringify(value)}`);
  }
  return Object.entries(expected).map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");
}

export function isId(id: unknown, prefix: string): string {
  assert.match(String(id), new RegExp(`^${prefix}[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`));
  return `${prefix}…`;
}

/** RFC 3339 of the last hour, with what the clock may be ahead. */
export function isNow(time: unknown): string {
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  const age = Date.now() - Date.parse(String(time));
  assert.ok(age > -60_000 && age < 3_600_000, `${String(time)} is not now`);
  return "made now";
}

export const fresh = (what: string): string => `${what}-${randomUUID()}`;
export const unknown = (prefix: string): string => prefix + randomUUID();

/** At the end: what was never called, what failed, and the answers for the judge. */
export function finish(client: Client, file: string | undefined): void {
  const all = methods(client);
  const missed = all.filter((method) => !called.has(method));
  line("methods", `${all.length - missed.length} of ${all.length} called`);
  if (missed.length > 0) failed("methods", `never called: ${missed.join(", ")}`);
  if (file !== undefined) writeFileSync(file, judged());
  end();
}

/** Says what failed. */
export function end(): void {
  if (failures.length > 0) {
    console.error(`\n${failures.length} failed:\n${failures.join("\n")}`);
    process.exitCode = 1;
  }
}

/** A program that compiles if each answer is what the client's types say. */
function judged(): string {
  const types = "@blnkfinance/blnk-typescript/dist/src/types";
  const head = `import type { BlnkInit } from "@blnkfinance/blnk-typescript";
import type * as Balances from "${types}/ledgerBalances.js";
import type * as Ledger from "${types}/ledger.js";
import type * as Search from "${types}/search.js";
import type * as Txn from "${types}/transactions.js";
type Client = ReturnType<typeof BlnkInit>;
type Answer<S extends keyof Client, M extends keyof Client[S]> =
  Client[S][M] extends (...given: never[]) => Promise<{ data: infer D }> ? NonNullable<D> : never;
type Any = Record<string, unknown>;
type Frozen<T> = T extends readonly (infer E)[] ? readonly Frozen<E>[]
  : T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
export type Used = [Balances.GetBalanceRequest, Ledger.UpdateLedger, Search.SearchParams, Txn.InflightStatus, Any];
`;
  const one = ({ name, type, data }: (typeof answers)[number], at: number): string =>
    `// ${name}\nconst came${at} = ${JSON.stringify(data)} as const;\nexport const it${at}: Frozen<${type}> = came${at};\n`;
  return head + answers.map(one).join("");
}
