/** Something that the demo says was proven, and what it was seen in. */
export interface Claim {
  pod: string
  claim: string
  holds: boolean
  evidence: Record<string, unknown>
}

/** Collects claims; a claim is only ever made together with the check of it. */
export function openClaims() {
  const claims: Claim[] = []
  return {
    claims,
    check(pod: string, claim: string, holds: boolean, evidence: Record<string, unknown>): void {
      claims.push({ pod, claim, holds, evidence })
    },
  }
}
