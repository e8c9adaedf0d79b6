#!/bin/sh
# Turns a node's annotations into the settings of its Open vSwitch, again and again: a changed annotation needs no restart.
#   ovn.openstack.org/int_bridge   br-int
#   ovn.openstack.org/bridges      br-ex,br-storage       bridges to have
#   ovn.openstack.org/ports        br-ex:bond1            a bridge's uplink
#   ovn.openstack.org/mappings     physnet1:br-ex         provider networks
#   ovn.openstack.org/gateway      enabled                a gateway chassis
set -eu
annotation() { kubectl get node "$NODE_NAME" -o "jsonpath={.metadata.annotations.ovn\.openstack\.org/$1}"; }
each() { echo "$1" | tr ',' '\n' | sed '/^$/d'; }
while true; do
  int=$(annotation int_bridge)
  [ -z "$int" ] || ovs-vsctl --may-exist add-br "$int" -- set open . "external-ids:ovn-bridge=$int"
  for bridge in $(each "$(annotation bridges)"); do ovs-vsctl --may-exist add-br "$bridge"; done
  for port in $(each "$(annotation ports)"); do ovs-vsctl --may-exist add-port "${port%%:*}" "${port#*:}"; done
  mappings=$(annotation mappings)
  [ -z "$mappings" ] || ovs-vsctl set open . "external-ids:ovn-bridge-mappings=$mappings"
  if [ "$(annotation gateway)" = enabled ]; then
    ovs-vsctl set open . external-ids:ovn-cms-options=enable-chassis-as-gw
  else
    ovs-vsctl remove open . external-ids ovn-cms-options
  fi
  kubectl label --overwrite node "$NODE_NAME" "ovn.openstack.org/configured=$(date +%s)" >/dev/null
  sleep 60
done
