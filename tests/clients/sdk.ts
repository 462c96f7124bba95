// A stand-in for the Bloque TypeScript SDK: what it sends and what it reads, from the facts of its wire.
// The SDK itself is not on npm; a programme that is written against it compiles against this one, and
// only `baseUrl` says that it talks to Cardwright. Plain fetch, no packages; Node 18 or later.
import { randomUUID } from "node:crypto";

export type Metadata = Record<string, unknown>;
export type CardStatus =
  | "active" | "disabled" | "frozen" | "deleted" | "creation_in_progress" | "creation_failed";
export type StatusReason =
  | "CLIENT_INTERNAL_REASON" | "USER_INTERNAL_REASON" | "POMELO_INTERNAL_REASON"
  | "PROVIDER_INTERNAL_REASON" | "LOST" | "STOLEN" | "BROKEN" | "UPGRADE";

export interface TokenBalance {
  current: string;
  pending: string;
  in: string;
  out: string;
}
export type Balances = Record<string, TokenBalance>;

export interface CreateCardParams {
  holderUrn?: string;
  /** What the page's spending controls call the holder. */
  urn?: string;
  name?: string;
  webhookUrl?: string;
  ledgerId?: string;
  metadata?: Metadata;
  /** A programme of cards: `card-…`. */
  program?: string;
  address?: Record<string, string>;
}

export interface CreateOptions {
  waitLedger?: boolean;
  idempotencyKey?: string;
  /** How long to wait at the most; the SDK waits 60 s. */
  waitMs?: number;
}

export interface Account {
  urn: string;
  id: string;
  medium: string;
  status: CardStatus;
  ownerUrn: string;
  ledgerId: string;
  webhookUrl: string | null;
  metadata?: Metadata;
  createdAt: string;
  updatedAt: string;
  balance?: Balances;
}

export interface CardAccount extends Account {
  lastFour: string;
  productType: "CREDIT" | "DEBIT";
  cardType: "VIRTUAL" | "PHYSICAL";
  detailsUrl: string;
  statusReason?: StatusReason;
}

export interface VirtualAccount extends Account {
  firstName: string | null;
  lastName: string | null;
}

export interface Movement {
  amount: string;
  asset: string;
  from_account_id: string;
  to_account_id: string;
  direction: "in" | "out";
  type: "deposit" | "withdraw" | "transfer";
  reference: string;
  rail_name: string;
  status: "pending" | "cancelled" | "confirmed" | "settled" | "failed" | "ignored";
  details?: { type: string; metadata?: Record<string, string> };
  created_at: string;
}

/** The page that the wire has, which is also the list of its movements, as the guide uses it. */
export type Movements = Movement[] & {
  data: Movement[];
  pageSize: number;
  hasMore: boolean;
  next?: string;
};

export interface MovementsQuery {
  asset?: string;
  limit?: number;
  before?: string;
  after?: string;
  reference?: string;
  direction?: "in" | "out";
  collapsedView?: boolean;
  pocket?: "main" | "pending";
  next?: string;
}

export interface ListQuery {
  holderUrn?: string;
  urn?: string;
  urns?: string[];
  medium?: string;
  q?: string;
  customId?: string;
  status?: CardStatus[];
  createdAfter?: string;
  createdBefore?: string;
  ledgerAccountId?: string;
  ledgerAccountIds?: string[];
  limit?: number;
  offset?: number;
  order?: string;
  metadata?: Record<string, string>;
}

export interface Operation {
  fromUrn: string;
  toUrn: string;
  reference: string;
  amount: string;
  asset: string;
  metadata?: Metadata;
}

export interface Queued {
  queueId: string;
  status: "queued" | "processing" | "completed" | "failed";
  message: string;
}

export type Auth =
  | { type: "apiKey"; apiKey: string; scopes?: string[] }
  | { type: "originKey"; originKey: string; clientIp?: string }
  | { type: "jwt" };

export interface SDKConfig {
  origin?: string;
  auth: Auth;
  mode?: "production" | "sandbox";
  baseUrl?: string;
  timeoutMs?: number;
  maxRetries?: number;
}

export class BloqueAPIError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | undefined,
    readonly details: Record<string, unknown> | undefined,
    readonly requestId: string | undefined,
  ) {
    super(message);
    this.name = new.target.name;
  }
}
export class BloqueValidationError extends BloqueAPIError {}
export class BloqueAuthenticationError extends BloqueAPIError {}
export class BloqueNotFoundError extends BloqueAPIError {}
export class BloqueInsufficientFundsError extends BloqueAPIError {}
export class BloqueIdempotencyError extends BloqueAPIError {}
export class BloqueTierLimitError extends BloqueAPIError {}
export class BloqueVerificationError extends BloqueAPIError {}
export class BloqueRateLimitError extends BloqueAPIError {
  retryAfterMs: number | undefined;
}
export class BloqueNetworkError extends Error {}
export class BloqueTimeoutError extends Error {}

interface ErrorBody {
  message?: string;
  code?: string;
  extra_details?: Record<string, unknown>;
}

function errorOf(answer: Response, body: ErrorBody): BloqueAPIError {
  const message = body.message ?? `HTTP ${answer.status}`;
  const id = answer.headers.get("x-request-id") ?? answer.headers.get("request-id") ?? undefined;
  const make = (kind: typeof BloqueAPIError): BloqueAPIError =>
    new kind(message, answer.status, body.code, body.extra_details, id);
  switch (body.code) {
    case "INSUFFICIENT_FUNDS":
    case "INSUFFICIENT_BALANCE":
      return make(BloqueInsufficientFundsError);
    case "E_TIER_LIMIT_EXCEEDED":
      return make(BloqueTierLimitError);
    case "E_VERIFICATION_REQUIRED":
    case "E_VERIFICATION_PENDING":
      return make(BloqueVerificationError);
  }
  if (answer.status === 400 || answer.status === 409) {
    if (/idempotency[ -]key/i.test(`${body.code ?? ""} ${message}`)) {
      return make(BloqueIdempotencyError);
    }
  }
  switch (answer.status) {
    case 400:
      return make(BloqueValidationError);
    case 401:
    case 403:
      return make(BloqueAuthenticationError);
    case 404:
      return make(BloqueNotFoundError);
    case 429: {
      const limited = make(BloqueRateLimitError) as BloqueRateLimitError;
      limited.retryAfterMs = retryAfterMs(answer);
      return limited;
    }
    default:
      return make(BloqueAPIError);
  }
}

/** `Retry-After` in milliseconds: seconds or a date, 30 s at the most. */
export function retryAfterMs(answer: Response): number | undefined {
  const text = answer.headers.get("retry-after");
  if (text === null) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 30_000);
}

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

export interface CallOptions {
  body?: unknown;
  idempotencyKey?: string;
  headers?: Record<string, string>;
  isPublic?: boolean;
}

/** One attempt, as tests look at it. */
export interface Attempt {
  method: string;
  path: string;
  status: number;
  idempotencyKey: string | undefined;
}

export class Transport {
  readonly attempts: Attempt[] = [];
  readonly baseUrl: string;
  authorization: (() => Promise<string | undefined>) | undefined;

  constructor(readonly config: SDKConfig) {
    this.baseUrl = config.baseUrl ?? "http://127.0.0.1:8080";
  }

  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      ...options.headers,
    };
    if (!options.isPublic) {
      const authorization = await this.authorization?.();
      if (authorization !== undefined) headers.Authorization = authorization;
    }
    if (method === "POST" || method === "PUT") {
      headers["Idempotency-Key"] = options.idempotencyKey ?? randomUUID();
    }
    const retries = this.config.maxRetries ?? 3;
    for (let attempt = 0; ; attempt += 1) {
      const backoff = 1000 * 2 ** attempt * (0.75 + Math.random() / 2);
      const outcome = await this.once(method, path, headers, options.body);
      if (outcome instanceof Response) {
        const text = await outcome.text();
        if (outcome.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
        const error = errorOf(outcome, parse(text));
        const mayRetry = outcome.status === 429 || outcome.status === 503;
        if (!mayRetry || attempt >= retries) throw error;
        await sleep(retryAfterMs(outcome) ?? backoff);
      } else {
        if (attempt >= retries) throw outcome;
        await sleep(backoff);
      }
    }
  }

  private async once(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: unknown,
  ): Promise<Response | Error> {
    const attempt: Attempt = { method, path, status: 0, idempotencyKey: headers["Idempotency-Key"] };
    this.attempts.push(attempt);
    try {
      const answer = await fetch(this.baseUrl + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(this.config.timeoutMs ?? 30_000),
      });
      attempt.status = answer.status;
      return answer;
    } catch (cause) {
      const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
      return isTimeout
        ? new BloqueTimeoutError(`no answer within ${this.config.timeoutMs ?? 30_000} ms`)
        : new BloqueNetworkError(`no answer: ${String(cause)}`);
    }
  }
}

function parse(text: string): ErrorBody {
  try {
    return JSON.parse(text) as ErrorBody;
  } catch {
    return { message: text };
  }
}

/** A query string; lists repeat, what is undefined is left out. */
function query(values: Record<string, unknown>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) parts.append(name, String(one));
    }
  }
  const text = parts.toString();
  return text === "" ? "" : `?${text}`;
}

interface AccountWire {
  id: string;
  urn: string;
  medium: string;
  details: Record<string, unknown>;
  ledger_account_id: string;
  status: CardStatus;
  owner_urn: string;
  created_at: string;
  updated_at: string;
  webhook_url: string | null;
  metadata?: Metadata;
  balance?: Balances;
}
interface Made {
  result: { account: AccountWire };
  req_id: string;
}

function accountOf(wire: AccountWire): Account {
  return {
    urn: wire.urn,
    id: wire.id,
    medium: wire.medium,
    status: wire.status,
    ownerUrn: wire.owner_urn,
    ledgerId: wire.ledger_account_id,
    webhookUrl: wire.webhook_url,
    metadata: wire.metadata,
    createdAt: wire.created_at,
    updatedAt: wire.updated_at,
    balance: wire.balance,
  };
}

function cardOf(wire: AccountWire): CardAccount {
  const details = wire.details;
  return {
    ...accountOf(wire),
    lastFour: details.card_last_four as string,
    productType: details.card_product_type as "CREDIT" | "DEBIT",
    cardType: details.card_type as "VIRTUAL" | "PHYSICAL",
    detailsUrl: details.card_url_details as string,
    statusReason: details.status_reason as StatusReason | undefined,
  };
}

function virtualOf(wire: AccountWire): VirtualAccount {
  return {
    ...accountOf(wire),
    firstName: wire.details.first_name as string | null,
    lastName: wire.details.last_name as string | null,
  };
}

const MEDIUM_POLL_MS = 2_000;

class Accounts {
  readonly card: Cards;
  readonly virtual: Virtuals;

  constructor(protected readonly http: Transport, protected readonly holder: string | undefined) {
    this.card = new Cards(http, holder);
    this.virtual = new Virtuals(http, holder);
  }

  async get(urn: string): Promise<Account> {
    const { account } = await this.http.call<{ account: AccountWire }>("GET", `/api/accounts/${urn}`);
    return account.medium === "virtual" ? virtualOf(account) : cardOf(account);
  }

  async list(asked: ListQuery = {}): Promise<{ accounts: Account[] }> {
    const { metadata = {}, ...rest } = asked;
    const inner = Object.entries(metadata).map(([key, value]) => [`metadata[${key}]`, value]);
    const text = query({
      holder_urn: rest.holderUrn, urn: rest.urn, urns: rest.urns, medium: rest.medium, q: rest.q,
      custom_id: rest.customId, status: rest.status, created_after: rest.createdAfter,
      created_before: rest.createdBefore, ledger_account_id: rest.ledgerAccountId,
      ledger_account_ids: rest.ledgerAccountIds, limit: rest.limit, offset: rest.offset,
      order: rest.order, ...Object.fromEntries(inner),
    });
    const { accounts } = await this.http.call<{ accounts: AccountWire[] }>("GET", `/api/accounts${text}`);
    return { accounts: accounts.map(accountOf) };
  }

  async balance({ urn }: { urn: string }): Promise<Balances> {
    return (await this.http.call<{ balance: Balances }>("GET", `/api/accounts/${urn}/balance`)).balance;
  }

  async balances(urns: string[]): Promise<Balances> {
    const text = query({ account_urns: urns });
    return (await this.http.call<{ balance: Balances }>("GET", `/api/accounts/balances${text}`)).balance;
  }

  async movements({ urn, ...asked }: { urn: string } & MovementsQuery): Promise<Movements> {
    return this.page(`/api/accounts/${urn}/movements`, {}, asked);
  }

  async transactions({ accountUrns, ...asked }: { accountUrns?: string[] } & MovementsQuery): Promise<Movements> {
    return this.page("/api/accounts/transactions", { account_urns: accountUrns }, asked);
  }

  private async page(path: string, more: Record<string, unknown>, asked: MovementsQuery): Promise<Movements> {
    const { collapsedView, ...rest } = asked;
    const text = query({ ...rest, ...more, collapsed_view: collapsedView });
    const page = await this.http.call<{ data: Movement[]; page_size: number; has_more: boolean; next?: string }>(
      "GET", path + text,
    );
    return Object.assign([...page.data], {
      data: page.data, pageSize: page.page_size, hasMore: page.has_more, next: page.next,
    });
  }

  async transfer(asked: {
    sourceUrn: string; destinationUrn: string; amount: string; asset: string; metadata?: Metadata;
    idempotencyKey?: string;
  }): Promise<Queued> {
    const { result } = await this.http.call<{ result: { queue_id: string; status: Queued["status"]; message: string } }>(
      "POST", `/api/accounts/${asked.sourceUrn}/transfer`, {
        body: {
          destination_account_urn: asked.destinationUrn, amount: asked.amount, asset: asked.asset,
          metadata: asked.metadata,
        },
        idempotencyKey: asked.idempotencyKey,
      },
    );
    return { queueId: result.queue_id, status: result.status, message: result.message };
  }

  async batchTransfer(asked: {
    operations: Operation[]; reference: string; metadata?: Metadata; webhookUrl?: string;
    idempotencyKey?: string;
  }): Promise<{
    status: "executed" | "deferred" | "failed"; chunks: Queued[]; totalOperations: number; totalChunks: number;
  }> {
    const operations = asked.operations.map((one) => ({
      from_account_urn: one.fromUrn, to_account_urn: one.toUrn, reference: one.reference,
      amount: one.amount, asset: one.asset, metadata: one.metadata,
    }));
    const { result } = await this.http.call<{
      result: {
        status: "executed" | "deferred" | "failed";
        chunks: { queue_id: string; status: Queued["status"]; message: string }[];
        total_operations: number; total_chunks: number;
      };
    }>("POST", "/api/accounts/batch/transfer", {
      body: { operations, reference: asked.reference, metadata: asked.metadata, webhook_url: asked.webhookUrl },
      idempotencyKey: asked.idempotencyKey,
    });
    return {
      status: result.status,
      chunks: result.chunks.map(({ queue_id, status, message }) => ({ queueId: queue_id, status, message })),
      totalOperations: result.total_operations,
      totalChunks: result.total_chunks,
    };
  }
}

/** What cards and pockets have in common. */
class Medium<T extends Account> {
  constructor(
    protected readonly http: Transport,
    protected readonly holder: string | undefined,
    private readonly medium: string,
    private readonly view: (wire: AccountWire) => T,
  ) {}

  protected async make(
    medium: string,
    params: CreateCardParams,
    input: unknown,
    { waitLedger, idempotencyKey, waitMs = 60_000 }: CreateOptions,
  ): Promise<T> {
    const made = await this.http.call<Made>("POST", `/api/mediums/${medium}`, {
      body: {
        holder_urn: params.holderUrn ?? this.holder ?? params.urn,
        webhook_url: params.webhookUrl,
        ledger_account_id: params.ledgerId,
        input,
        metadata: { source: "sdk-typescript", name: params.name, ...params.metadata },
      },
      idempotencyKey,
    });
    const account = this.view(made.result.account);
    return waitLedger ? this.wait(medium, account, waitMs) : account;
  }

  private async wait(medium: string, account: T, ms: number): Promise<T> {
    for (const end = Date.now() + ms; ; await sleep(MEDIUM_POLL_MS)) {
      const text = query({ medium, holder_urn: account.ownerUrn, urn: account.urn });
      const { accounts } = await this.http.call<{ accounts: AccountWire[] }>("GET", `/api/accounts${text}`);
      const found = accounts[0];
      if (found === undefined) throw new Error("the account is not there");
      if (found.status === "creation_failed") throw new Error("the account could not be made");
      if (found.status === "active") return this.view(found);
      if (Date.now() > end) throw new Error(`the account is not active after ${ms} ms`);
    }
  }

  async list(asked: { holderUrn?: string; urn?: string } = {}): Promise<{ accounts: T[] }> {
    const text = query({ medium: this.medium, holder_urn: asked.holderUrn ?? this.holder, urn: asked.urn });
    const { accounts } = await this.http.call<{ accounts: AccountWire[] }>("GET", `/api/accounts${text}`);
    return { accounts: accounts.map(this.view) };
  }

  async balance({ urn }: { urn: string }): Promise<Balances> {
    return (await this.http.call<{ balance: Balances }>("GET", `/api/accounts/${urn}/balance`)).balance;
  }

  protected async patch(urn: string, body: unknown): Promise<T> {
    return this.view((await this.http.call<Made>("PATCH", `/api/accounts/${urn}`, { body })).result.account);
  }

  update({ urn, ...asked }: {
    urn: string; metadata?: Metadata; status?: CardStatus; webhookUrl?: string | null; ledgerId?: string;
    statusReason?: StatusReason; pin?: string;
  }): Promise<T> {
    const { statusReason, pin } = asked;
    const input = statusReason ?? pin ? { status_reason: statusReason, pin } : undefined;
    return this.patch(urn, {
      metadata: asked.metadata, status: asked.status, webhook_url: asked.webhookUrl,
      ledger_account_id: asked.ledgerId, input,
    });
  }

  updateMetadata({ urn, metadata }: { urn: string; metadata: Metadata }): Promise<T> {
    return this.patch(urn, { metadata });
  }

  updateName(urn: string, name: string): Promise<T> {
    return this.patch(urn, { metadata: { name } });
  }

  updateStatus(urn: string, status: CardStatus, reason?: StatusReason): Promise<T> {
    return this.patch(urn, { status, input: reason && { status_reason: reason } });
  }

  activate(urn: string): Promise<T> {
    return this.updateStatus(urn, "active");
  }

  freeze(urn: string, reason?: StatusReason): Promise<T> {
    return this.updateStatus(urn, "frozen", reason);
  }

  disable(urn: string, reason?: StatusReason): Promise<T> {
    return this.updateStatus(urn, "disabled", reason);
  }
}

class Cards extends Medium<CardAccount> {
  constructor(http: Transport, holder: string | undefined) {
    super(http, holder, "card", cardOf);
  }

  create(params: CreateCardParams = {}, options: CreateOptions = {}): Promise<CardAccount> {
    const create = { card_type: "VIRTUAL", card_address: params.address };
    return this.make(params.program ?? "card", params, { create }, options);
  }

  movements(asked: { urn: string } & MovementsQuery): Promise<Movements> {
    return new Accounts(this.http, this.holder).movements(asked);
  }

  async tokenizeApple(urn: string, asked: { certificates: string[]; nonce: string; nonceSignature: string }): Promise<{
    activation_data: string; encrypted_pass_data: string; ephemeral_public_key: string;
  }> {
    const { certificates, nonce, nonceSignature } = asked;
    const body = { certificates, nonce, nonce_signature: nonceSignature };
    const path = `/api/accounts/${urn}/tokenize/apple`;
    const made = await this.http.call<{ result: { tokenization: {
      activation_data: string; encrypted_pass_data: string; ephemeral_public_key: string;
    } } }>("POST", path, { body });
    return made.result.tokenization;
  }

  async tokenizeGoogle(urn: string, asked: { deviceId: string; walletAccountId: string }): Promise<{ opc: string }> {
    const body = { device_id: asked.deviceId, wallet_account_id: asked.walletAccountId };
    const path = `/api/accounts/${urn}/tokenize/google`;
    const made = await this.http.call<{ result: { tokenization: { opc: string } } }>("POST", path, { body });
    return made.result.tokenization;
  }
}

class Virtuals extends Medium<VirtualAccount> {
  constructor(http: Transport, holder: string | undefined) {
    super(http, holder, "virtual", virtualOf);
  }

  create(params: CreateCardParams = {}, options: CreateOptions = {}): Promise<VirtualAccount> {
    return this.make("virtual", params, {}, options);
  }
}

export interface IdentityWire {
  urn: string;
  origin: string;
  type: string;
  profile: Metadata;
  status: string;
  metadata: Metadata;
}

class Identity {
  constructor(private readonly http: Transport) {}

  me(): Promise<IdentityWire> {
    return this.http.call("GET", "/api/identities/me");
  }

  async updateMe(body: { profile?: Metadata; metadata?: Metadata }): Promise<IdentityWire> {
    const changed = await this.http.call<{ result: { identity: IdentityWire } }>(
      "PATCH", "/api/identities/me", { body },
    );
    return changed.result.identity;
  }

  get(urn: string): Promise<IdentityWire> {
    return this.http.call("GET", `/api/identities/${urn}`);
  }

  aliases(urn?: string): Promise<{ alias: string }[]> {
    return this.http.call("GET", `/api/identities/${urn ?? "me"}/aliases`);
  }

  alias(alias: string): Promise<{ alias: string; urn: string }> {
    return this.http.call("GET", `/api/aliases${query({ alias })}`, { isPublic: true });
  }

  origins(): Promise<{ namespace: string; status: string }[]> {
    return this.http.call("GET", "/api/origins", { isPublic: true });
  }
}

export interface KeyWire {
  id: string;
  key_id: string;
  secret_key: string;
  publishable_key: string;
  name: string;
  status: string;
}

class ApiKeys {
  constructor(private readonly http: Transport) {}

  create(body: { name: string; scopes?: string[]; domains?: string[]; expiration?: "never" | number; metadata?: Metadata }): Promise<KeyWire> {
    return this.http.call("POST", "/api/api-keys", { body });
  }

  list(): Promise<KeyWire[]> {
    return this.http.call("GET", "/api/api-keys");
  }

  get(id: string): Promise<KeyWire> {
    return this.http.call("GET", `/api/api-keys/${id}`);
  }

  rotate(id: string): Promise<{ secret_key: string }> {
    return this.http.call("POST", `/api/api-keys/${id}/rotate`, { body: {} });
  }

  revoke(id: string): Promise<unknown> {
    return this.http.call("DELETE", `/api/api-keys/${id}`);
  }

  exchange(body: { key: string; scopes?: string[]; as_identity?: string }): Promise<TokenWire> {
    return this.http.call("POST", "/api/api-keys/exchange", { body });
  }

  setWebhookSecret(origin: string, apiKey: string, secret: string): Promise<{ updated: boolean }> {
    const body = { api_key: apiKey, webhook_secret: secret };
    return this.http.call("PUT", `/api/api-keys/origins/${origin}/webhook-secret`, { body });
  }
}

class Origins {
  constructor(private readonly http: Transport) {}

  updateMetadata(origin: string, apiKey: string, metadata: Metadata): Promise<{ origin_name: string; metadata: Metadata; updated: true }> {
    const body = { api_key: apiKey, metadata };
    return this.http.call("PATCH", `/api/origins/${origin}/metadata`, { body, isPublic: true });
  }
}

class Compliance {
  constructor(private readonly http: Transport) {}

  startVerification(urn: string, type: "kyc" | "kyb" = "kyc"): Promise<{ url: string; status: string; level: string }> {
    return this.http.call("POST", "/api/compliance", { body: { urn, type } });
  }

  getVerification(urn: string): Promise<{ status: string; level: string; verification_url: string }> {
    return this.http.call("GET", `/api/compliance/${urn}`);
  }

  tierStatus(urn: string): Promise<{ identity_urn: string; effective_level: string; levels: unknown[] }> {
    return this.http.call("GET", `/api/compliance/${urn}/tier-status`);
  }
}

export interface TokenWire {
  access_token: string;
  expires_in: number;
  token_type: string;
}

/** What is done in somebody's name. */
export class Session {
  readonly accounts: Accounts;
  readonly identity: Identity;
  readonly compliance: Compliance;
  readonly apiKeys: ApiKeys;
  readonly origins: Origins;

  constructor(readonly http: Transport, readonly urn: string | undefined) {
    this.accounts = new Accounts(http, urn);
    this.identity = new Identity(http);
    this.compliance = new Compliance(http);
    this.apiKeys = new ApiKeys(http);
    this.origins = new Origins(http);
  }
}

/** A token of the key, another 60 s before its end. */
export class KeyTokens {
  private current: { text: string; end: number } | undefined;

  constructor(
    private readonly http: Transport,
    private readonly auth: { apiKey: string; scopes?: string[] },
    private readonly now: () => number = Date.now,
  ) {}

  async authorization(): Promise<string> {
    if (this.current === undefined || this.now() >= this.current.end - 60_000) {
      const body = { key: this.auth.apiKey, scopes: this.auth.scopes };
      const token = await this.http.call<TokenWire>("POST", "/api/api-keys/exchange", { body, isPublic: true });
      this.current = { text: token.access_token, end: this.now() + token.expires_in * 1000 };
    }
    return `Bearer ${this.current.text}`;
  }
}

export class SDK extends Session {
  constructor(readonly config: SDKConfig) {
    super(new Transport(config), undefined);
    const { auth } = config;
    if (auth.type === "apiKey") {
      const tokens = new KeyTokens(this.http, auth);
      this.http.authorization = () => tokens.authorization();
    } else if (auth.type === "originKey") {
      this.http.authorization = () => Promise.resolve(auth.originKey);
    }
  }

  private get origin(): string {
    if (this.config.origin === undefined) throw new Error("the origin is missing");
    return this.config.origin;
  }

  private session(token: string, urn: string): Session {
    const http = new Transport(this.config);
    http.authorization = () => Promise.resolve(`Bearer ${token}`);
    return new Session(http, urn);
  }

  private async challenge(path: "connect" | "register", alias: string, more: object): Promise<Session> {
    const { auth } = this.config;
    if (auth.type === "jwt") throw new Error("a one-time code is needed: use assert and connectOtp");
    const apiKey = auth.type === "apiKey" ? auth.apiKey : auth.originKey;
    const proof = { challengeType: "API_KEY", value: { api_key: apiKey, alias } };
    const headers: Record<string, string> = {};
    if (auth.type === "originKey") {
      headers.Authorization = auth.originKey;
      if (auth.clientIp !== undefined) headers["x-original-client-ip"] = auth.clientIp;
    }
    const answer = await this.http.call<{ result: { access_token: string } }>(
      "POST", `/api/origins/${this.origin}/${path}`, {
        body: { assertion_result: { ...(path === "register" ? { alias } : {}), ...proof }, extra_context: {}, ...more },
        headers,
        isPublic: true,
      },
    );
    const urn = alias.startsWith("did:") ? alias : `did:bloque:${this.origin}:${alias}`;
    return this.session(answer.result.access_token, urn);
  }

  /** A holder's session; without an alias the key's own. */
  async connect(alias?: string): Promise<Session> {
    if (alias !== undefined) return this.challenge("connect", alias, {});
    const me = await this.identity.me();
    return new Session(this.http, me.urn);
  }

  register(alias: string, more: { type?: "individual" | "business"; profile?: Metadata } = {}): Promise<Session> {
    return this.challenge("register", alias, { type: more.type ?? "individual", profile: more.profile ?? {} });
  }

  assert(alias: string): Promise<{ type: string; value: { expires_at: string }; params: { attempts_remaining: number } }> {
    return this.http.call("GET", `/api/origins/${this.origin}/assert${query({ alias })}`, { isPublic: true });
  }

  async connectOtp(alias: string, value: { code: string; email?: string; phone?: string }): Promise<Session> {
    const body = { assertion_result: { challengeType: "OTP", alias, value }, extra_context: {} };
    const answer = await this.http.call<{ result: { access_token: string } }>(
      "POST", `/api/origins/${this.origin}/connect`, { body, isPublic: true },
    );
    return this.session(answer.result.access_token, `did:bloque:${this.origin}:${alias}`);
  }
}
