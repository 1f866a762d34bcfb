# Runs in a container of the bootstrap image, with the store at /store. Gives up the claim of a deployment on the name of
# a stack; leaves that of another deployment alone.
#   CLAIM_FILE  the claim, relative to the store
#   CLAIM_ID    id of the deployment
set -eu

claim=/store/$CLAIM_FILE
if [ -e "$claim" ] && [ "$(sed -n 1p "$claim")" = "$CLAIM_ID" ]; then
  rm "$claim"
  sync /store/refs
fi
