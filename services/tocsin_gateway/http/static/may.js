// What the reader may do, as far as a button can say it beforehand: the platform decides, each time and by itself.

let grants = null; // not known yet: then nothing is held back

export const learn = (known) => { grants = known; };

const within = (inner, outer) => outer === "*" || outer === inner || (outer.endsWith(".*") && inner !== "*" && inner.startsWith(outer.slice(0, -1)) && inner.length >= outer.length);

function matches(name, pattern) {
  if (pattern === "*" || pattern === name) return true;
  const head = pattern.slice(0, -1);
  return pattern.endsWith("*") && /[.\-_/:]$/.test(head) && name.startsWith(head) && name.length > head.length;
}

function gives(grant, permission) {
  const [asked, given] = [permission.split(":"), grant.permission.split(":")];
  return asked.every((part, at) => given[at] === "*" || given[at] === part);
}

// Whether what the reader holds gives a permission in a namespace ("*": in all of them), for something of that name.
export function may(permission, namespace = "*", name = null) {
  if (!grants) return true;
  let isGiven = false;
  for (const grant of grants.filter((one) => gives(one, permission))) {
    const [scope, named] = [grant.namespace ?? "*", grant.name ?? "*"];
    if (grant.deny && (within(namespace, scope) || within(scope, namespace)) && (name === null || matches(name, named))) return false;
    if (!grant.deny && within(namespace, scope) && (named === "*" || (name !== null && matches(name, named)))) isGiven = true;
  }
  return isGiven;
}

// Whether there is anything at all that the permission is good for.
export const holds = (permission) => !grants || grants.some((grant) => !grant.deny && gives(grant, permission));

// Whether it may be so: a grant for some names gives it for the right one.
const perhaps = (permission, namespace) => may(permission, namespace) || grants.some((grant) => !grant.deny && gives(grant, permission) && (grant.name ?? "*") !== "*" && within(namespace, grant.namespace ?? "*"));

// Why not, or nothing when the reader may. Without a namespace: wherever that may be; without a name: whatever it is called.
export function lacking(permission, namespace, name) {
  if (namespace === undefined ? holds(permission) : name === undefined ? perhaps(permission, namespace) : may(permission, namespace, name)) return "";
  return `It takes the permission ${permission}${namespace === undefined ? "" : namespace === "*" ? " in all namespaces" : ` in ${namespace}`}, which you do not hold.`;
}
