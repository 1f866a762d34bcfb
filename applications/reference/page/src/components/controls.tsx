import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface SwitchProps {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  /** Explanation below the label. */
  hint?: string;
}

/** A setting that is on or off and takes effect immediately. */
export function Switch({ label, checked, onChange, disabled = false, hint }: SwitchProps): JSX.Element {
  const id = useId();
  return (
    <div class="switch">
      <input
        type="checkbox"
        role="switch"
        id={id}
        checked={checked}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      <label for={id}>{label}</label>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface MeterProps {
  /** 0 to 1. */
  value: number;
  tone: "strong" | "muted";
}

/** A score as a bar. Hidden from screen readers, since the number stands beside it. */
export function Meter({ value, tone }: MeterProps): JSX.Element {
  return (
    <svg class={`meter ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="meter-track" width="100" height="6" />
      <rect class="meter-fill" width={Math.max(0, Math.min(1, value)) * 100} height="6" />
    </svg>
  );
}

/** A name and its value in a `<dl>`. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Shown until the first value has been loaded. */
export function Loading({ what }: { what: string }): JSX.Element {
  return (
    <p class="loading" role="status">
      Loading {what} …
    </p>
  );
}
