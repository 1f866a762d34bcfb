# Runs in a container of the bootstrap image, with the store at /store and the variables of the store job. Claims the
# name of a stack in the store for one deployment, and refuses if another deployment has it. It does not depend on the
# version of the store tool, because a rollback uses the store tool that ran last.
#   CLAIM_FILE     the claim, relative to the store: the id of the deployment on its first line, the owner on its second
#   CLAIM_ID       id of this deployment
#   CLAIM_OWNER    whose it is
#   CLAIM_REFUSAL  what to say if another deployment has it, with @OWNER@ for whose that is
set -eu

refuse_others() {
  id=$(sed -n 1p "$claim") owner=$(sed -n 2p "$claim")
  if [ "$id" != "$CLAIM_ID" ]; then
    printf '%s\n' "${CLAIM_REFUSAL%%@OWNER@*}$owner${CLAIM_REFUSAL#*@OWNER@}" >&2
    exit 1
  fi
}

claim=/store/$CLAIM_FILE
if [ -e "$claim" ]; then
  refuse_others
  exit 0
fi
python3 -m mlenv init --store /store
# A hard link appears whole or not at all, and only one of two deployments at the same moment can make it. The garbage
# collection removes a draft that a killed job leaves.
draft=$(mktemp "/store/refs/.owner.XXXXXX")
printf '%s\n%s\n' "$CLAIM_ID" "$CLAIM_OWNER" >"$draft"
chmod 644 "$draft"
sync "$draft"
ln "$draft" "$claim" 2>/dev/null || true
rm "$draft"
sync /store/refs
refuse_others
