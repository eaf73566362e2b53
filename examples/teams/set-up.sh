#!/bin/sh
# Five business lines in four environments: twenty gateway groups, for each line the roles member, leader and QA, and one
# role that reads the audit log and nothing else.
# Told step by step in docs/TEAMS.md. Needs `flotilla` on the PATH and a login that may do all this.
set -eu

LINES=${LINES:-"payment order catalog account search"}
ENVIRONMENTS="dev test uat prod"
here=$(dirname "$0")

for line in $LINES; do
    for env in $ENVIRONMENTS; do
        flotilla group create "$line-$env" --label "line=$line" --label "env=$env" --desc "$line, $env"
        # One policy for each line and environment: everything in the groups that carry both labels, whichever they are.
        sed "s/LINE/$line/; s/ENVIRONMENT/$env/" "$here/policy.json" |
            flotilla policy save "$line-$env" --file - --label "line=$line" --desc "Work in the groups of $line in $env"
    done
    flotilla role create "$line-member" --label "line=$line" --policy "$line-test"
    flotilla role create "$line-leader" --label "line=$line" --policy "$line-test" --policy "$line-uat"
    flotilla role create "$line-qa" --label "line=$line" --policy "$line-uat" --policy "$line-prod"
done

flotilla policy save auditor --file "$here/auditor.json" --desc "Read the audit log"
flotilla role create auditor --policy auditor
