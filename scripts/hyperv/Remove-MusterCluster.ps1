<#
.SYNOPSIS
Removes the cluster on this host: its machines, their disks, and the switch and NAT that New-MusterCluster.ps1 made.

.DESCRIPTION
It asks before each machine, unless -Confirm:$false is given. The image of Debian stays, so that the next cluster starts faster; -Image
removes it, too. A switch and a NAT that were there before stay; so do they while other machines are on them.

.PARAMETER Path
The same as for New-MusterCluster.ps1.

.PARAMETER Image
Removes the image of Debian, too.

.EXAMPLE
.\Remove-MusterCluster.ps1 -WhatIf

.EXAMPLE
.\Remove-MusterCluster.ps1 -Confirm:$false -Image
#>

#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param(
    [string] $Path = '',
    [switch] $Image
)

. (Join-Path $PSScriptRoot 'Muster.ps1')

# Remove-Machine removes a machine with its disks. Only its own folder is removed.
function Remove-Machine([object] $Machine, [string] $Folder) {
    $name = $Machine.VM.Name
    if (-not $PSCmdlet.ShouldProcess($name, 'remove the machine and its disks')) { return }
    # A machine whose state is saved runs no more than one that is off.
    if ($Machine.VM.State -notin @('Off', 'Saved')) { Stop-VM -VM $Machine.VM -TurnOff -Force }
    Remove-VM -VM $Machine.VM -Force
    if (Test-Path -LiteralPath $Folder) {
        Remove-Item -LiteralPath $Folder -Recurse -Force
        Write-Step "${name}: is removed"
    } else {
        Write-Warning "$name is removed, but its disks are not in $Folder. Remove them by hand; next time give the -Path that the cluster was made with."
    }
}

Assert-HyperV
$root = if ($Path) { $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Path) } else { $MusterPath }
$machines = @(Get-MusterVM)
if ($machines.Count -eq 0) { Write-Step 'there is no machine of a cluster on this host' }
foreach ($machine in $machines) {
    Remove-Machine $machine (Join-Path $root $machine.Id)
}

$nat = Get-NetNat -Name $MusterSwitch -ErrorAction SilentlyContinue
$switchThere = Get-VMSwitch -SwitchType Internal | Where-Object { $_.Notes -like "$MusterMark*" } | Select-Object -First 1
# With -WhatIf the cluster's machines are still there.
$users = @(Get-VM | Where-Object { -not $WhatIfPreference -or $_.Notes -notlike "$MusterMark*" } |
        Get-VMNetworkAdapter | Where-Object { $switchThere -and $_.SwitchName -eq $switchThere.Name })
if ($users.Count -gt 0) {
    Write-Step "the switch $($switchThere.Name) stays: $($users.Count) machine(s) are on it"
} else {
    if ($nat -and $PSCmdlet.ShouldProcess($nat.Name, 'remove the NAT network')) {
        Remove-NetNat -Name $nat.Name -Confirm:$false -ErrorAction Stop
        Write-Step "NAT: $($nat.Name) is removed"
    }
    if ($switchThere -and $PSCmdlet.ShouldProcess($switchThere.Name, 'remove the switch')) {
        $name = $switchThere.Name
        Remove-VMSwitch -Name $name -Force
        Write-Step "switch: $name is removed"
    }
}

$base = Join-Path $root 'base'
if ($Image -and (Test-Path -LiteralPath $base) -and $PSCmdlet.ShouldProcess($base, 'remove the image of Debian')) {
    Remove-Item -LiteralPath $base -Recurse -Force
    Write-Step "image: $base is removed"
}
