declare module 'taskhost:policy/types@0.1.0' {
  /**
   * The name of a task: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`.
   */
  export type TaskId = string;
  /**
   * A point in time: milliseconds since the Unix epoch, UTC.
   */
  export type Millis = bigint;
  /**
   * A length of time in milliseconds.
   */
  export type DurationMs = bigint;
  /**
   * # Variants
   * 
   * ## `"pending"`
   * 
   * Nobody works on it. Whether it may be claimed is what `readiness` answers.
   * ## `"in-progress"`
   * 
   * Somebody holds a claim on it.
   * ## `"in-review"`
   * 
   * Completed by its holder, waiting to be accepted.
   * ## `"blocked"`
   * 
   * Parked by hand until somebody unblocks it.
   * ## `"completed"`
   * 
   * ## `"failed"`
   * 
   * ## `"cancelled"`
   */
  export type Status = 'pending' | 'in-progress' | 'in-review' | 'blocked' | 'completed' | 'failed' | 'cancelled';
  /**
   * # Variants
   * 
   * ## `"agent"`
   * 
   * ## `"host"`
   * 
   * ## `"human"`
   */
  export type AgentKind = 'agent' | 'host' | 'human';
  /**
   * Who asks. `name` may be shared by several running sessions; `session` is one of them.
   */
  export interface Agent {
    name: string,
    kind: AgentKind,
    session: string,
    hostname?: string,
    capabilities: Array<string>,
  }
  /**
   * One session's hold on one task.
   */
  export interface Claim {
    agent: string,
    session: string,
    /**
     * The fencing token: grows with every claim on the board.
     */
    token: bigint,
    since: Millis,
    /**
     * Until when the claim holds without a heartbeat.
     */
    leaseUntil: Millis,
  }
  /**
   * What a choice between tasks is usually made by. Everything else is reached through `board.task`.
   */
  export interface Summary {
    id: TaskId,
    taskType: string,
    /**
     * Higher is more urgent; 0 unless given.
     */
    priority: number,
    /**
     * What `readiness` answered: lower is offered first.
     */
    rank: number,
    createdAt: Millis,
    /**
     * How often it was claimed, voluntary releases given back.
     */
    attempts: number,
  }
  /**
   * In which order a cursor yields tasks. Each is total: ties are broken by age.
   * # Variants
   * 
   * ## `"rank"`
   * 
   * Lowest rank, then highest priority, then oldest.
   * ## `"oldest"`
   * 
   * ## `"newest"`
   */
  export type Order = 'rank' | 'oldest' | 'newest';
  /**
   * Which ready tasks a cursor yields. An empty list of types or labels matches everything.
   */
  export interface Filter {
    /**
     * Any of these types.
     */
    taskTypes: Array<string>,
    /**
     * All of these labels.
     */
    labels: Array<string>,
    /**
     * Only tasks whose needs are all among these.
     */
    capabilities: Array<string>,
    /**
     * Only this task, if it matches the rest.
     */
    only?: TaskId,
  }
  /**
   * For whom the tasks of a cursor are reserved. A task reserved for somebody else is never yielded.
   * # Variants
   * 
   * ## `"for-asker"`
   * 
   * ## `"nobody"`
   * 
   * ## `"either"`
   */
  export type Reservation = 'for-asker' | 'nobody' | 'either';
  /**
   * An agent asks for work.
   */
  export interface Request {
    asker: Agent,
    /**
     * What it asked for. `only` is set when it asked for one task by id.
     */
    filter: Filter,
    /**
     * The lease it would like.
     */
    lease?: DurationMs,
  }
}
