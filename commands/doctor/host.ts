import { z } from "zod";

/** What `probes/host.py` prints of the engine's host. */
export const hostSchema = z.object({
  /** The interface of its default route, and the largest packet in bytes that leaves by it; null without one. */
  interface: z.string().nullable(),
  mtu: z.number().nullable(),
  /** Release of NVIDIA's driver; null without one. */
  nvidiaDriver: z.string().nullable(),
});
