<#
.SYNOPSIS
Lists the machines of the cluster on this host: whether they run, and what their masters say.

.EXAMPLE
.\Get-MusterCluster.ps1

.EXAMPLE
.\Get-MusterCluster.ps1 | Where-Object Leads
#>

#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param()

. (Join-Path $PSScriptRoot 'Muster.ps1')

Assert-HyperV
$machines = @(Get-MusterVM)
if ($machines.Count -eq 0) {
    Write-Warning 'There is no cluster on this host. .\New-MusterCluster.ps1 makes one.'
    return
}
$leader = Get-MusterLeader $machines
foreach ($machine in $machines) {
    $status = $null
    if ($machine.Role -eq 'master' -and $machine.VM.State -eq 'Running') { $status = Get-MusterStatus $machine.Address }
    [pscustomobject] @{
        Id      = $machine.Id
        Role    = $machine.Role
        Address = $machine.Address
        VMName  = $machine.VM.Name
        State   = $machine.VM.State
        Ready   = if ($machine.Role -eq 'master') { [bool] ($status -and $status.ready) } else { $null }
        Leads   = ($machine.Role -eq 'master') -and ($machine.Id -eq $leader)
    }
}
